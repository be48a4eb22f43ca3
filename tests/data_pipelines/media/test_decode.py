import av
import numpy as np
import pytest

from data_pipelines.media import decode
from data_pipelines.media.decode import read_video
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.sound import read_audio

LIMITS = MediaLimits()


def levels(path):
    """Times and mean brightness of the frames of the 25 Hz grid."""
    frames = list(read_video(path, LIMITS))
    return np.array([f.time_s for f in frames]), np.array([f.image.mean() for f in frames])


def nearest(times, values, grid):
    """The plain definition: each grid point shows the frame with the nearest timestamp."""
    return [values[np.argmin(np.abs(np.asarray(times) - t))] for t in grid]


@pytest.mark.parametrize("rate", [12.5, 25, 30, 50])
def test_every_rate_becomes_25_hz_by_nearest_timestamp(tmp_path, write_media, grey, rate):
    values = np.linspace(20, 230, int(2 * rate))
    path = write_media(tmp_path / "a.mp4", [grey(v) for v in values], rate=rate)
    times, seen = levels(path)
    assert len(times) == 50
    np.testing.assert_allclose(times, np.arange(50) / 25, atol=1e-3)
    wanted = nearest(np.arange(len(values)) / rate, values, times + 1e-4)
    np.testing.assert_allclose(seen, wanted, atol=2.5)


def test_variable_frame_rate_follows_the_timestamps(tmp_path, write_media, grey):
    stamps = [0.0, 0.04, 0.08, 0.50, 0.54, 0.58, 1.2, 1.24]
    values = np.linspace(30, 220, len(stamps))
    path = write_media(tmp_path / "a.mkv", [grey(v) for v in values], times=stamps)
    times, seen = levels(path)
    np.testing.assert_allclose(times, np.arange(len(times)) / 25, atol=1.5e-3)
    assert len(times) == 32
    np.testing.assert_allclose(seen, nearest(stamps, values, times + 1e-4), atol=2.5)


def test_a_repeated_timestamp_moves_its_own_frame_alone(tmp_path, write_media, grey, monkeypatch):
    """25 frames/s, then 12.5: after the repeat, frames stay where their timestamps are."""
    stamps = [*(np.arange(25) / 25), *(1 + np.arange(25) / 12.5)]
    values = np.linspace(20, 230, 50)
    path = write_media(tmp_path / "a.mkv", [grey(v) for v in values], times=stamps)
    real = decode.decoded_frames

    def repeating(container, stream):
        for index, frame in enumerate(real(container, stream)):
            if index == 30:
                frame.pts -= round(0.08 / frame.time_base)
            yield frame

    monkeypatch.setattr(decode, "decoded_frames", repeating)
    facts = {}
    frames = list(read_video(path, LIMITS, facts))
    assert len(frames) == 75
    wanted = nearest(stamps, values, [frame.time_s + 1e-4 for frame in frames])
    np.testing.assert_allclose([f.image.mean() for f in frames], wanted, atol=2.5)
    assert facts["stamps_mended"] == "1"


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_frames_are_shown_in_order_from_0_on(tmp_path, write_media, grey, codec):
    """H.264 in AVI has B-frames, whose packets' times are those of decoding."""
    values = np.linspace(20, 230, 15)
    path = write_media(tmp_path / "a.avi", [grey(v) for v in values], codecs=(codec, ""))
    times, seen = levels(path)
    np.testing.assert_allclose(times, np.arange(15) / 25, atol=1e-9)
    np.testing.assert_allclose(seen, values, atol=7)  # half a step


@pytest.mark.parametrize(
    ("name", "codecs", "tolerance_s"),
    [
        ("a.avi", ("libx264", "pcm_s16le"), 0.002),
        ("a.mp4", ("libx264", "aac"), 0.005),
        ("a.webm", ("libvpx-vp9", "libopus"), 0.008),  # the container has milliseconds only
        ("a.mkv", ("libx264", "pcm_s16le"), 0.002),
    ],
)
def test_flash_and_beep_stay_together(tmp_path, write_media, grey, name, codecs, tolerance_s):
    images = [grey(230 if index in (30, 31) else 30) for index in range(75)]
    sound = np.zeros(3 * 48_000)
    beep = np.arange(3840) / 48_000
    sound[57_600:61_440] = 0.5 * np.sin(2 * np.pi * 1000 * beep)  # 1.2 s, where frame 30 is
    path = write_media(tmp_path / name, images, sound=sound, codecs=codecs)
    times, seen = levels(path)
    track = read_audio(path, LIMITS)
    flash = times[np.argmax(seen > 128)]
    onset = track.start_s + np.argmax(np.abs(track.samples) > 3000) / 16_000
    assert onset - flash == pytest.approx(0.0, abs=tolerance_s)


def test_joined_pieces_whose_clocks_start_anew_stay_together(tmp_path, write_media, grey):
    """Each piece's sound is longer than its picture; the differences must not add up."""
    images = [grey(230 if index == 10 else 30) for index in range(30)]
    sound = np.zeros(round(1.24 * 48_000))
    sound[19_200:21_600] = 0.5 * np.sin(2 * np.pi * np.arange(2400) / 48)  # 0.4 s, as the flash
    piece = write_media(tmp_path / "piece.ts", images, sound=sound)
    path = tmp_path / "a.ts"
    path.write_bytes(piece.read_bytes() * 6)
    track = read_audio(path, LIMITS)
    frames = list(read_video(path, LIMITS, restarts=track.restarts))
    bright = np.array([frame.image.mean() > 128 for frame in frames])
    flashes = [frames[at].time_s for at in np.flatnonzero(bright[1:] & ~bright[:-1]) + 1]
    loud = np.flatnonzero(np.abs(track.samples.astype(int)) > 3000)
    beeps = track.start_s + loud[np.diff(loud, prepend=-9999) > 8000] / 16_000
    assert len(flashes) == len(beeps) == 6
    assert np.abs(beeps - flashes).max() < 0.04


def test_a_cut_file_yields_what_it_holds(tmp_path, write_media, draw_face):
    images = [draw_face(centre=(140 + index, 110)) for index in range(50)]
    whole = write_media(tmp_path / "a.mp4", images, options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    assert 10 < len(list(read_video(cut, LIMITS))) < 50


def test_a_damaged_frame_counts_as_lost(tmp_path, write_media):
    """A transport stream that ends within a frame: its rest would be an older picture's."""
    wall = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    wall = wall.repeat(8, axis=0).repeat(8, axis=1)
    images = [np.roll(wall, 13 * index, axis=1) for index in range(50)]
    path = write_media(tmp_path / "a.ts", images, codecs=("mpeg2video", ""))
    content = path.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(content[: round(0.6 * len(content))])
    with av.open(str(cut)) as container:
        assert [frame.is_corrupt for frame in container.decode(video=0)][-1]
    frames = list(read_video(cut, LIMITS))
    errors = [
        np.abs(frame.image.astype(int) - image).mean()
        for frame, image in zip(frames, images, strict=False)
    ]
    assert len(errors) > 20
    assert max(errors) < 2 * np.median(errors)  # another picture is several times as far


def test_limits_hold_while_decoding(tmp_path, write_media, grey):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 50, sound=np.zeros(96_000))
    with pytest.raises(MediaError, match="decoded bytes"):
        list(read_video(path, MediaLimits(max_decoded_bytes=100_000)))
    with pytest.raises(MediaError, match="over 1 s"):
        list(read_video(path, MediaLimits(max_seconds=1.0)))
    with pytest.raises(MediaError, match="over 1 s"):
        read_audio(path, MediaLimits(max_seconds=1.0))


def test_a_picture_may_stand_for_a_minute_and_no_longer(tmp_path, write_media, grey):
    """Two frames 59 minutes apart are a few kB and would be 88,500 crops."""
    path = write_media(tmp_path / "a.mkv", [grey(90)] * 3, times=[0, 59, 60])
    assert len(list(read_video(path, LIMITS))) == 1525
    path = write_media(tmp_path / "b.mkv", [grey(90)] * 2, times=[0, 3540])
    seen = []
    with pytest.raises(MediaError, match="too_large: one picture stands for 3540 s, over 60 s"):
        seen += read_video(path, LIMITS)
    assert not seen


def test_a_gap_of_years_does_not_repeat_a_frame_for_years(tmp_path, write_media, grey):
    path = write_media(tmp_path / "a.mkv", [grey(90)] * 3, times=[0.0, 0.04, 1e6])
    with pytest.raises(MediaError, match="too_large"):
        list(read_video(path, LIMITS))
