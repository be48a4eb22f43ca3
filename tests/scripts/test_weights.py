"""The commands that convert published weights and that measure parity."""

import json
import pathlib
import runpy

import numpy as np
import pytest
from safetensors.numpy import save_file

from cad_jax.weights.store import read_weights_info

ROOT = pathlib.Path(__file__).parents[2]


def main_of(name):
    return runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"]


@pytest.fixture
def published(tmp_path):
    """The golden vision tower as Hugging Face has it."""
    folder = tmp_path / "published"
    folder.mkdir()
    with np.load(ROOT / "tests/cad_jax/weights/goldens/clip.npz") as golden:
        weights = {n.removeprefix("weights/"): golden[n] for n in golden if "weights/" in n}
        (folder / "config.json").write_text(str(golden["config"]))
    save_file(weights, folder / "model.safetensors")
    return folder


def test_converts_and_says_what(published, tmp_path, capsys):
    arguments = ["--source", str(published), "--output", str(tmp_path / "clip")]
    assert main_of("convert_weights")(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("clip image_size 24, patch_size 8, width 32")
    assert first.endswith("M parameters, float32")
    info = read_weights_info(tmp_path / "clip")
    assert info.sha256[:16] in second
    assert info.source_files == ("model.safetensors",)
    assert main_of("convert_weights")(arguments) == 0  # again: the same


def test_bad_input_is_one_line_and_a_code(published, tmp_path, capsys):
    convert_weights, output = main_of("convert_weights"), str(tmp_path / "out")
    assert convert_weights(["--source", str(tmp_path / "nowhere"), "--output", output]) == 1
    assert "no such file" in capsys.readouterr().err
    assert convert_weights(["--source", str(published), "--output", str(published)]) == 1
    assert "is not empty" in capsys.readouterr().err
    config = json.loads((published / "config.json").read_text())
    (published / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    assert convert_weights(["--source", str(published), "--output", output]) == 1
    error = capsys.readouterr().err
    assert "the arrays have width 32, the settings beside them say 64" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_parity_names_the_nearest_tower(capsys):
    assert main_of("parity")(["clip_vit_b16"]) == 1
    assert "did you mean 'clip_vit_b_16'?" in capsys.readouterr().err
