"""The two commands that look at a prepared set, and the one that makes clips to look at."""

import errno
import json
import os
import pathlib
import runpy

import pytest

from data_pipelines.commands import audit

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def main_of(name):
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]


def test_audit_prints_a_table_and_writes_it(drawn_set, tmp_path, capsys):
    output = tmp_path / "audit.json"
    assert main_of("audit")(["--path", str(drawn_set), "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "32 clips" in printed
    assert "any forgery" in printed
    report = json.loads(output.read_text())
    assert report["clips"] == 32
    names = {entry["name"] for entry in report["kinds"]["any forgery"]["joint"]}
    assert names >= {"silence", "level", "spectrum", "colour", "size", "sharpness", "order"}
    assert {tuple(entry["others"]) for entry in report["shortcuts"]} == {("test", "val")}
    assert not any(entry["shared"] for entry in report["leaks"] if entry["kind"] == "identities")
    assert "<svg" in output.with_suffix(".html").read_text()
    assert "Shared by splits" in printed


def test_a_set_that_cannot_be_written_to_is_audited_all_the_same(drawn_set, monkeypatch, capsys):
    def refused(content, path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    main = main_of("audit")
    monkeypatch.setattr(audit, "write_json", refused)
    assert main(["--path", str(drawn_set)]) == 0
    printed = capsys.readouterr().out
    assert "any forgery" in printed
    assert "Shared by splits" in printed
    assert "not written ([Errno 30] Read-only file system: " in printed
    assert main(["--path", str(drawn_set), "--output", "/there/audit.json"]) == 1
    assert "/there/audit.json" in capsys.readouterr().err


def test_clips_without_any_label_are_not_audited(unlabelled_set, capsys):
    assert main_of("audit")(["--path", str(unlabelled_set)]) == 1
    error = capsys.readouterr().err
    assert "no clip of drawn/train in" in error
    assert "labels=folders" in error


def test_evidence_prints_a_table_for_each_split(drawn_set, tmp_path, capsys):
    output = tmp_path / "evidence.json"
    arguments = ["--path", str(drawn_set), "--test", "val", "test", "--output", str(output)]
    assert main_of("evidence")(arguments) == 0
    printed = capsys.readouterr().out
    assert "val: AUC" in printed
    assert "fused" in printed
    assert set(json.loads(output.read_text())) == {"val", "test"}


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("audit", ["--path", "/nowhere"], "no such directory: /nowhere"),
        ("evidence", ["--path", "/nowhere"], "no such directory: /nowhere"),
        ("synthesise", ["--preset", "tiny", "--sheet", "x.png"], "no synthetic preset 'tiny'"),
    ],
)
def test_bad_input_is_one_line_and_a_code(script, arguments, message, capsys):
    assert main_of(script)(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_split_names_the_known_ones(drawn_set, capsys):
    assert main_of("audit")(["--path", str(drawn_set), "--split", "tset"]) == 1
    assert "did you mean 'test'?" in capsys.readouterr().err


def test_synthesise_exports_files_and_asks_what_to_do(tmp_path, capsys):
    folder = tmp_path / "clips"
    assert main_of("synthesise")(["--export", str(folder), "--clips", "2"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "000000.mp4", "000001.mp4", "manifest.csv"
    ]  # fmt: skip
    with pytest.raises(SystemExit, match="2"):
        main_of("synthesise")([])
    assert "nothing to do" in capsys.readouterr().err
