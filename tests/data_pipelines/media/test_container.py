import hashlib
import wave

import numpy as np
import pytest

from data_pipelines.media.container import probe
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits


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
