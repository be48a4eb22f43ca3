import hashlib
import wave

import av
import numpy as np
import pytest
from av.stream import Disposition

from data_pipelines.media.container import probe
from data_pipelines.media.decode import read_video
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.sound import read_audio


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text", "not_media"),
        ("empty", "empty"),
        ("no_index", "truncated"),
        ("playlist", "not_media"),
        ("absurd", "too_large"),
        ("missing", "missing"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(bad_files, name, reason):
    with pytest.raises(MediaError) as caught:
        probe(bad_files[name], MediaLimits())
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


def test_probe_tells_what_the_file_is(tmp_path, write_media, grey):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 50, rate=50, sound=np.zeros(48_000))
    info = probe(path, MediaLimits())
    assert (info.width, info.height, info.fps) == (96, 64, 50.0)
    assert (info.video_codec, info.audio_codec, info.audio_rate) == ("h264", "aac", 48_000)
    assert info.duration_s == pytest.approx(1.0, abs=0.05)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_recording_hours_into_a_broadcast_is_as_long_as_it_is(tmp_path, write_media, grey):
    """Matroska states when its last frame ends on its own clock, which need not begin at 0."""
    times = 36_000 + np.arange(30) / 25
    path = write_media(tmp_path / "a.mkv", [grey(90)] * 30, times=times)
    assert probe(path, MediaLimits()).duration_s == pytest.approx(1.2, abs=0.05)


def test_limits_hold_for_what_the_header_declares(tmp_path, write_media, grey):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 50)
    with pytest.raises(MediaError, match="too_large: frames of 96x64, over 100 pixels"):
        probe(path, MediaLimits(max_pixels=100))
    with pytest.raises(MediaError, match="too_large: 2 s long, over 1 s"):
        probe(path, MediaLimits(max_seconds=1.0))


def test_a_name_is_never_taken_for_a_protocol(tmp_path, write_media, grey):
    path = write_media(tmp_path / "good.mp4", [grey(90)] * 5)
    odd = tmp_path / "concat:a|b.mp4"
    path.rename(odd)
    assert probe(odd, MediaLimits()).width == 96


def test_a_title_that_is_no_utf8_does_not_matter(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    tag = b"INFOINAM" + (4).to_bytes(4, "little") + b"\xe9\xff\xfe\0"
    content = path.read_bytes() + b"LIST" + len(tag).to_bytes(4, "little") + tag
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    assert probe(path, MediaLimits()).audio_rate == 16_000


def _with_streams(path, kinds, default):
    """One second of each kind of stream; a picture is as bright, a tone as high as its number."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, kind in enumerate(kinds):
            if kind == "video":
                stream = container.add_stream("libx264", rate=25)
                stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            else:
                stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        for number, (kind, stream) in enumerate(zip(kinds, streams, strict=True)):
            if kind == "video":
                level = np.full((64, 64, 3), 40 + 50 * number, np.uint8)
                for _ in range(25):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(level)))
            else:
                tone = 8000 * np.sin(np.arange(16_000) * 2 * np.pi * (200 + 100 * number) / 16_000)
                frame = av.AudioFrame.from_ndarray(np.int16(tone)[None], "s16", "mono")
                frame.sample_rate = 16_000
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("default", "brightness", "hertz"), [(1, 90, 400), (3, 40, 500), (9, 40, 400)]
)
def test_of_several_streams_the_default_is_read(tmp_path, default, brightness, hertz):
    kinds = ["video", "video", "audio", "audio"]
    path = _with_streams(tmp_path / "a.mkv", kinds, default)
    facts = {}
    frame = next(read_video(path, MediaLimits(), facts))
    track = read_audio(path, MediaLimits())
    assert frame.image.mean() == pytest.approx(brightness, abs=2)
    spectrum = np.abs(np.fft.rfft(track.samples[:16_000].astype(float)))
    assert np.argmax(spectrum) == pytest.approx(hertz, abs=1)
    assert facts["video_streams"] == track.facts["audio_streams"] == "2"
