"""From a folder to a split file, and from the file to a prepared set."""

import json
import pathlib
import runpy

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture
def main():
    return runpy.run_path(str(SCRIPTS / "splits.py"))["main"]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    rows = ["path,label_video,source_ids"]
    for i in range(30):
        (root / f"c{i}.mp4").touch()
        rows.append(f"c{i}.mp4,{i % 2},id{i // 2}")
    (root / "manifest.csv").write_text("\n".join(rows))
    return root


def test_a_split_is_written_and_verified(main, root, tmp_path, capsys):
    file = tmp_path / "split.json"
    options = ["--root", str(root), "--scheme", "disjoint", "--shares", "0.6", "0.2", "0.2"]
    assert main([*options, "--seed", "4", "--output", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "clips: disjoint seed=4 shares=0.6/0.2/0.2" in printed
    assert "train      18 clips (9 forged, 9 genuine), 9 identities" in printed
    assert len(json.loads(file.read_text())["sides"]) == 30

    assert main(["--root", str(root), "--verify", str(file)]) == 0
    assert "on disk: have 30, missing 0, extra 0, label mismatch 0" in capsys.readouterr().out
    (root / "c3.mp4").unlink()
    assert main(["--root", str(root), "--verify", str(file)]) == 1
    assert "have 29, missing 1 (e.g. c3.mp4)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheme", "disjont", "--output", "x"], "did you mean 'disjoint'?"),
        (["--scheme", "official", "--output", "x"], "30 of 30 clips have no official split"),
        (["--scheme", "kfold", "--fold", "5", "--output", "x"], "fold 5 of 5"),
        (["--verify", "gone.json"], "cannot read gone.json"),
    ],
)
def test_bad_input_is_one_line_and_a_code(main, root, capsys, options, message):
    assert main(["--root", str(root), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
