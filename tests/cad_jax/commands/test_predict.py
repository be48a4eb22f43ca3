"""What the command makes of its arguments and how it ends; no model is loaded."""

import pytest

from cad_jax.commands.predict import _parser, exit_code, expanded, main, report_paths, worst_code
from data_pipelines.errors import UserError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.mp4", "a/b/2.WAV", "a/b/3.jpg", "a/notes.txt", "x[1].mp4", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a"], ["a/1.mp4", "a/b/2.WAV", "a/b/3.jpg"]),
        (["a/notes.txt"], ["a/notes.txt"]),  # named, so it is judged
        (["a/*.mp4", "a/1.mp4"], ["a/1.mp4"]),
        (["**/*.jpg", "x[1].mp4"], ["a/b/3.jpg", "x[1].mp4"]),
        (["gone.mp4"], ["gone.mp4"]),  # its verdict says so
    ],
)
def test_files_folders_and_patterns(tree, names, found):
    assert [str(path) for path in expanded(names)] == found


@pytest.mark.parametrize(
    ("name", "why"), [("empty", "no video, sound or photo"), ("*.avi", "no file is named so")]
)
def test_nothing_to_judge_is_an_error(tree, name, why, capsys):
    with pytest.raises(UserError, match=why):
        list(expanded([name]))
    assert main([name]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verdict", "reason", "code"),
    [
        ("authentic", "no_audio", 0),
        ("manipulated", "video_manipulated", 1),
        ("cannot_tell", "missing", 2),
        ("cannot_tell", "out_of_domain", 3),
        ("not_applicable", "not_media", 3),
        ("suspicious", "audio_suspicious", 3),
    ],
)
def test_how_a_file_ends_it(verdict, reason, code):
    assert exit_code({"verdict": verdict, "reasons": [{"code": reason}]}) == code


@pytest.mark.parametrize(
    ("codes", "code"), [([0, 3, 2, 1], 1), ([0, 3, 2], 2), ([0, 3], 3), ([0, 0], 0), ([], 0)]
)
def test_how_several_end_it(codes, code):
    assert worst_code(codes) == code


@pytest.mark.parametrize("shard", ["4/4", "1", "a/2", "-1/2", "0/0", "0/4/2"])
def test_a_wrong_shard_is_refused(shard, capsys):
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(["a.mp4", f"--shard={shard}"])
    assert ended.value.code == 2
    assert "is not i/n" in capsys.readouterr().err


def test_reports_have_names_of_their_own(tmp_path):
    one = report_paths([tmp_path / "a.mp4"], tmp_path / "r.html")
    assert one == [tmp_path / "r.html"]
    files = [tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4"]
    pages = report_paths(files, tmp_path / "reports")
    assert [page.name for page in pages] == ["a.mp4.html", "a.mp4-2.html"]
    assert pages[0].parent.is_dir()
