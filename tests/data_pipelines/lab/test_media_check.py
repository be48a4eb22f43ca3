"""The table of media in its short form, and that its figures see what they are there for."""

import numpy as np
import pytest

from data_pipelines.lab.media_cases import CASES, MediaCase
from data_pipelines.lab.media_check import check_media
from data_pipelines.lab.media_writer import number_on, talking_clip
from data_pipelines.media import decode, picture, sound
from scripts import check_media as script

SHORT = (
    "mp4: hevc aac", "webm: vp9 opus", "avi: mpeg4 mp3", "mkv: pixels 8:9", "mp4: orientation 7",
    "mpg: upper field first", "mp4: PQ", "mov: opposite phase", "mp4: edit list", "ts: pieces",
    "mkv: ten hours on", "ts: cut off",
)  # fmt: skip


def named(*names: str) -> list[MediaCase]:
    return [case for case in CASES if case.title in names]


@pytest.mark.slow
def test_forms_are_prepared_right(tmp_path):
    rows = list(check_media(named(*SHORT), tmp_path))
    assert len(rows) == len(SHORT)
    assert {row.case.name: row.faults for row in rows if row.faults} == {}


def test_every_form_has_a_name_of_its_own():
    names = [case.title for case in CASES]
    assert len(set(names)) == len(names) >= 60


def test_a_number_is_read_from_a_picture_of_any_size():
    clip = talking_clip()
    assert [number_on(image) for image in clip.images] == list(range(50))
    assert number_on(clip.images[37][::2, ::2]) == 37
    assert number_on(np.full((240, 320, 3), 90, np.uint8)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module", "what", "wrong", "fault"),
    [
        ("mkv: ffv1 pcm", sound.AudioTrack, "between", lambda self, a, b: (self.samples[960:], 0.0),
         "lag"),
        ("mkv: pixels 8:9", picture.PictureConverter, "_square", lambda self, *size: size, "crop"),
        ("mp4: PQ", picture, "HDR", frozenset(), "colour"),
        ("mkv: uneven rate", decode, "_stamped",
         lambda frames, *_: ((i / 12.5, f) for i, f in enumerate(frames)), "frames"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_seen(tmp_path, monkeypatch, name, module, what, wrong, fault):
    monkeypatch.setattr(module, what, wrong)
    (case,) = named(name)
    (row,) = check_media([case], tmp_path)
    assert fault in row.faults


@pytest.mark.slow
def test_the_command_prints_a_row_a_form(tmp_path, capsys):
    assert script.main(["--only=mp4: stereo", f"--keep={tmp_path}"]) == 0
    assert "1 of 1 forms are right" in capsys.readouterr().out
    assert (tmp_path / "stereo.mp4").exists()
    assert script.main(["--only=betamax"]) == 1
    assert "no case has 'betamax'" in capsys.readouterr().err
