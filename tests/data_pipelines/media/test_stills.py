import hashlib

import numpy as np
import pytest
import simplejpeg

from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.stills import frame_files, probe_stills, read_stills

LIMITS = MediaLimits()


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, names_and_levels):
    for name, level in names_and_levels.items():
        picture = np.full((64, 96, 3), level, np.uint8)
        (folder / name).write_bytes(simplejpeg.encode_jpeg(picture, 95))


def seen(folder, limits=LIMITS):
    return [(frame.time_s, round(frame.image.mean())) for frame in read_stills(folder, limits)]


def test_numbered_pictures_are_frames_at_25_hz(folder):
    write(folder, {"003": 90, "001": 30, "002": 60})
    assert seen(folder) == [(0.0, 30), (0.04, 60), (0.08, 90)]


def test_names_are_numbers_not_texts_and_other_files_are_no_frames(folder):
    write(folder, {"9": 30, "10": 60, "11.JPG": 90, "cover.jpg": 200})
    (folder / "Thumbs.db").write_bytes(b"x")
    assert [path.name for _, path in frame_files(folder)] == ["9", "10", "11.JPG"]
    assert seen(folder) == [(0.0, 30), (0.04, 60), (0.08, 90)]


def test_a_hole_and_a_broken_picture_keep_the_time(folder):
    write(folder, {"001": 30, "002": 60, "005": 90})
    (folder / "004").write_bytes(b"no picture")
    assert seen(folder) == [(0.0, 30), (0.04, 60), (0.08, 60), (0.12, 60), (0.16, 90)]


def test_a_broken_first_picture_makes_the_video_start_later(folder):
    write(folder, {"002": 60})
    (folder / "001").write_bytes(b"no picture")
    assert seen(folder) == [(0.04, 60)]


def test_probe_tells_what_the_folder_holds(folder):
    write(folder, {"001": 30, "002": 60, "004": 90})
    info = probe_stills(folder, LIMITS)
    assert (info.width, info.height, info.fps, info.video_codec) == (96, 64, 25.0, "jpeg")
    assert (info.duration_s, info.audio_codec) == (0.16, "")
    content = b"".join((folder / name).read_bytes() for name in ("001", "002", "004"))
    assert (info.size_bytes, info.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("files", "reason"),
    [({}, "empty"), ({"notes.txt": b"x"}, "empty"), ({"001": b"no picture"}, "not_media")],
)
def test_a_folder_without_pictures_has_a_reason(folder, files, reason):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(MediaError) as caught:
        probe_stills(folder, LIMITS)
    assert caught.value.reason == reason


def test_limits_hold(folder):
    write(folder, {"001": 30, "002": 60})
    with pytest.raises(MediaError, match="frames of 96x64, over 100 pixels"):
        probe_stills(folder, MediaLimits(max_pixels=100))
    with pytest.raises(MediaError, match="frames of 96x64, over 100 pixels"):
        seen(folder, MediaLimits(max_pixels=100))
    with pytest.raises(MediaError, match="decoded bytes"):
        seen(folder, MediaLimits(max_decoded_bytes=20_000))


def test_a_number_far_away_does_not_repeat_a_frame_for_hours(folder):
    write(folder, {"001": 30, "99999999": 60})
    with pytest.raises(MediaError, match="too_large"):
        probe_stills(folder, LIMITS)
    with pytest.raises(MediaError, match="too_large"):
        seen(folder)
