import importlib.util
import os
import pathlib
import runpy
import subprocess
import sys
import wave

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
SCRIPT = REPOSITORY / "scripts" / "prepare.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def main():
    return runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture
def sounds(tmp_path):
    root = tmp_path / "sounds"
    root.mkdir()
    for name in ("a", "b"):
        with wave.open(str(root / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(bytes(64_000))
    (root / "manifest.csv").write_text("path\na.wav\nb.wav\n")
    return root


def test_the_command_makes_a_set(sounds, tmp_path):
    done = run("--root", sounds, "--output", tmp_path / "out", "--workers", 1, "--preview")
    assert done.returncode == 0, done.stderr
    assert "prepared 2 of 2 clips: 2 windows" in done.stdout
    assert "sounds: hashed, sha256" in done.stdout
    assert "x real time" in done.stdout
    assert (tmp_path / "out" / "dataset_info.json").exists()
    assert (tmp_path / "out" / "preview.png").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed"
)
def test_what_follows_two_dashes_is_the_pipelines(sounds, tmp_path):
    arguments = ["--root", sounds, "--output", tmp_path / "out", "--runner", "beam", "--"]
    failed = run(*arguments, "--runner=NoSuchRunner")
    assert failed.returncode == 1
    assert "Beam pipeline failed: Unexpected pipeline runner: NoSuchRunner" in failed.stderr
    done = run(*arguments, "--job_name=clips")
    assert "prepared 2 of 2 clips: 2 windows" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reader", "foldr"], "no reader called 'foldr'; did you mean 'folder'?"),
        (["--option", "compression=c23"], "reader 'folder' has no option 'compression'"),
        (["--root", "/nowhere"], "no such folder: /nowhere"),
        (["--size", "1"], "size is 1; it must be 16 to 2048 pixels"),
        (["--window", "0.1"], "window is 0.1 s"),
        (["--workers", "0"], "workers is 0; it must be at least 1"),
        (["--output", "gs://bucket/x"], "gs://bucket/x is not a local path: mount the bucket"),
        (["--", "--runner=FlinkRunner"], "'--runner=FlinkRunner' is for Beam: say --runner=beam"),
        (["--split", "kfolds"], "no split scheme called 'kfolds'; did you mean 'kfold'?"),
        (["--split", "gone.json"], "cannot read gone.json"),
    ],
)
def test_bad_input_is_one_line_and_a_code(main, sounds, tmp_path, capsys, options, message):
    assert main(["--root", str(sounds), "--output", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_output_that_cannot_be_written_is_one_line(main, sounds, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert main(["--root", str(sounds), "--output", str(tmp_path / "file" / "out")]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "file") in error
    assert error.count("\n") == 1


@pytest.mark.media
def test_real_clips_become_a_set(media, tmp_path):
    root = tmp_path / "real"
    root.mkdir()
    names = ["av2av__videos-1.webm", "av2av__videos-1_en-es.webm"]
    for name in names:
        (root / name).symlink_to(media / name)
    done = run("--root", root, "--output", tmp_path / "out", "--workers", 2, "--preview")
    assert done.returncode == 0, done.stderr
    assert "prepared 2 of 2 clips: 2 windows" in done.stdout
