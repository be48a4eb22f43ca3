import pathlib
import runpy

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "benchmark_prepare.py"


@pytest.fixture
def main():
    return runpy.run_path(str(SCRIPT))["main"]


def test_a_folder_without_clips_is_one_line_and_a_code(main, tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "benchmark_prepare: no video below" in error
    assert error.count("\n") == 1


@pytest.mark.media
def test_real_clips_are_measured(main, media, tmp_path, capsys):
    (tmp_path / "clip.webm").symlink_to(media / "av2av__videos-1.webm")
    assert main(["--root", str(tmp_path), "--repeats", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 clips, 2.8 s of media")
    assert lines[2].startswith("prepare ")
    assert lines[3].startswith("frame by frame, our detector ")
