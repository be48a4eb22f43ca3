"""Each cure does to every clip what it says, and nothing to time."""

import dataclasses

import numpy as np
import pytest
import simplejpeg

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.decode import VideoFrame
from data_pipelines.media.errors import MediaError
from data_pipelines.media.remedies import at_loudness, reencoded, sounding_span
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.media.sound import AudioTrack

SETTINGS = PrepareSettings(size=64, window_s=4.0, stride_s=4.0)
TRIMMED = dataclasses.replace(SETTINGS, trim_silence=True)
LOSSLESS = ("libx264", "pcm_s16le")


def prepare_clip(*arguments):
    return list(iterate_clips(*arguments))


def source(path):
    return ClipSource(path=path, key=path.name, dataset="drawn", split="train")


def tone(seconds, before=0.0, after=0.0, rate=48_000):
    silence = [np.zeros(round(s * rate)) for s in (before, after)]
    sound = 0.3 * np.cos(np.arange(round(seconds * rate)) / 20)
    return np.concatenate([silence[0], sound, silence[1]])


def frames(count, shape=(240, 320)):
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 220, (shape[0] // 40, shape[1] // 40, 3), np.uint8)
    image = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
    return [
        VideoFrame(3 + i / 25, np.clip(image + i, 0, 255).astype(np.uint8)) for i in range(count)
    ]


def test_the_span_of_sound_begins_with_the_first_sample_beyond_the_published_threshold():
    samples = np.zeros(16_000, np.int16)
    samples[2000], samples[4000], samples[12_000] = 16, 17, -17  # 16 / 32768 is still silence
    span = sounding_span(AudioTrack(samples, start_s=0.5))
    assert span == pytest.approx((0.5 + 0.25, 0.5 + 0.75))
    assert sounding_span(AudioTrack(samples[:3000], 0.0)) is None


def test_silent_ends_are_cut_from_picture_and_sound_on_the_frame_grid(
    tmp_path, draw_face, write_media
):
    images = [draw_face(mouth=0.1 + 0.1 * (i % 2)) for i in range(75)]
    path = write_media(
        tmp_path / "a.mkv", images, sound=tone(2.0, before=0.5, after=0.5), codecs=LOSSLESS
    )
    (whole,) = prepare_clip(source(path), SETTINGS)
    (cut,) = prepare_clip(source(path), TRIMMED)
    assert len(whole.frames) == 75
    first = round(cut.frame_times_ms[0] / 40)
    assert (first, len(cut.frames)) == (13, 49)  # 0.52 to 2.48 s
    for old, new in zip(whole.frames[13:62], cut.frames, strict=True):
        pair = [simplejpeg.decode_jpeg(jpeg).astype(int) for jpeg in (old, new)]
        assert np.abs(pair[0] - pair[1]).mean() < 2  # but for the track's smoothing at its ends
    # Resampled alike but for the filter's edge, each sample is at its old place.
    np.testing.assert_array_equal(cut.audio, whole.audio[13 * 640 : 62 * 640])
    assert np.abs(cut.audio[:16].astype(int)).max() > 17
    assert cut.clip_id.endswith("#520")


def test_sound_alone_is_cut_likewise_and_silence_alone_is_left(tmp_path, write_media):
    path = write_media(tmp_path / "a.wav", sound=tone(1.0, before=0.3, after=0.2), codecs=LOSSLESS)
    (cut,) = prepare_clip(source(path), TRIMMED)
    assert cut.clip_id.endswith("#320")
    assert len(cut.audio) == 24 * 640
    silent = write_media(tmp_path / "b.wav", sound=np.zeros(48_000), codecs=LOSSLESS)
    assert len(prepare_clip(source(silent), TRIMMED)[0].audio) == 16_000


def test_too_little_left_is_a_reason(tmp_path, draw_face, write_media):
    sound = tone(0.2, before=1.0, after=0.8)
    path = write_media(tmp_path / "a.mkv", [draw_face()] * 50, sound=sound, codecs=LOSSLESS)
    with pytest.raises(MediaError, match="too_short"):
        prepare_clip(source(path), TRIMMED)
    late = write_media(
        tmp_path / "b.mkv", [draw_face()] * 25, sound=tone(1.0), sound_start=3.0, codecs=LOSSLESS
    )
    with pytest.raises(MediaError, match="too_short: no picture is left"):
        prepare_clip(source(late), TRIMMED)


@pytest.mark.parametrize("count", [1, 2, 60])
def test_reencoding_keeps_every_frame_and_its_time(count):
    before = frames(count)
    after = list(reencoded(before, crf=23))
    assert [frame.time_s for frame in after] == [frame.time_s for frame in before]
    assert {frame.image.shape for frame in after} == {(554, 740, 3)}  # 410 thousand pixels
    for old, new in zip(before[::7], after[::7], strict=True):
        assert abs(old.image.mean() - new.image.mean()) < 4
    assert list(reencoded([], crf=23)) == []


def test_reencoding_is_lossy_by_its_factor_and_always_the_same():
    def detail(crf):
        rng = np.random.default_rng(1)
        noisy = [VideoFrame(0.0, rng.integers(0, 255, (480, 854, 3), np.uint8))]
        return np.abs(np.diff(next(reencoded(noisy, crf)).image.astype(int), axis=1)).mean()

    assert detail(12) > 1.5 * detail(45)
    assert detail(23) == detail(23)


def test_a_strip_of_pixels_can_be_reencoded():
    (frame,) = reencoded([VideoFrame(0.0, np.zeros((2, 20_000, 3), np.uint8))], crf=23)
    assert frame.image.shape == (16, 4096, 3)


def test_all_records_have_the_same_loudness():
    rng = np.random.default_rng(0)
    for level in (20, 2000, 9000):
        sound = at_loudness(np.int16(rng.normal(0, level, 16_000).clip(-32768, 32767)), -26.0)
        rms = np.sqrt((sound.astype(float) ** 2).mean()) / 32768
        assert 20 * np.log10(rms) == pytest.approx(-26, abs=0.1)
    faint = at_loudness(np.tile(np.array([0, 1], np.int16), 100), -10.0)
    assert faint.max() == 100  # not amplified without end
    assert not at_loudness(np.zeros(10, np.int16), -26.0).any()
    assert at_loudness(np.zeros(0, np.int16), -26.0).size == 0


def test_settings_apply_to_records(tmp_path, draw_face, write_media):
    path = write_media(tmp_path / "a.mp4", [draw_face()] * 25, sound=tone(1.0))
    settings = dataclasses.replace(SETTINGS, reencode=30, loudness=-30.0)
    (record,) = prepare_clip(source(path), settings)
    (plain,) = prepare_clip(source(path), SETTINGS)
    assert len(record.frames) == len(plain.frames) == 25
    assert record.frames != plain.frames
    assert np.abs(record.mouth_boxes - plain.mouth_boxes).max() < 1.5
    rms = np.sqrt((record.audio.astype(float) ** 2).mean()) / 32768
    assert 20 * np.log10(rms) == pytest.approx(-30, abs=0.1)


@pytest.mark.parametrize("wrong", [{"reencode": 52}, {"loudness": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        PrepareSettings(**wrong)
