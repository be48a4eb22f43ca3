"""The commands that convert published weights and that measure parity."""

import json
import pathlib
import re
import runpy

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from cad_jax.lab import sync_probe
from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import LoadedRun
from cad_jax.settings.experiment import DataConfig, Experiment
from cad_jax.settings.model import CADConfig, LipsConfig, WhisperConfig
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.store import read_weights_info, write_tower
from cad_jax.weights.towers import tower_model
from data_pipelines.loading.settings import ClipSpec

LIPS = LipsConfig(16, 2, "image", 16, 1, 2, position_kernel=8, position_groups=2)
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


def test_check_whisper_names_what_is_missing(tmp_path, capsys):
    missing = ["--weights", str(tmp_path / "model.bin"), "--clip", str(tmp_path / "clip.mp4")]
    assert main_of("check_whisper")(missing) == 1
    error = capsys.readouterr().err
    assert "clip.mp4" in error
    assert error.count("\n") == 1


@pytest.fixture
def whisper_weights(tmp_path):
    """Random weights of a very small Whisper encoder for clips of 4 s."""
    config = WhisperConfig(mels=16, width=16, depth=1, heads=2, max_tokens=200)
    shapes = tower_model(config).shapes
    rng = np.random.default_rng(0)
    params = {n: 0.3 * rng.standard_normal(s.shape).astype(np.float32) for n, s in shapes.items()}
    write_tower(TowerWeights(config, params), (), tmp_path / "whisper")
    return tmp_path / "whisper"


@pytest.mark.heavy
def test_the_sync_probe_reports_accuracies_with_intervals(
    drawn_set, whisper_weights, capsys, monkeypatch
):
    monkeypatch.setattr(sync_probe, "STEPS", 60)  # as little as shows the difference
    monkeypatch.setattr(sync_probe, "RANDOM_TOWERS", 1)
    arguments = ["--path", str(drawn_set), "--weights", str(whisper_weights), "--repeats", "1"]
    assert main_of("probe_sync")(arguments) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert "offset right within 1 frame (chance 0.10)" in first
    values = {row[:19].strip(): [float(x) for x in re.findall(r"-?\d\.\d\d", row)] for row in rows}
    assert set(values) == {
        "weights", "random", "log-mel", "weights - random", "weights - log-mel"
    }  # fmt: skip
    for mean, low, high in values.values():
        assert low <= mean <= high
    assert values["log-mel"][0] > 0.3  # the drawn mouths follow loudness


@pytest.mark.heavy
def test_the_sync_probe_compares_a_runs_lip_tower(drawn_set, capsys, monkeypatch):
    for name, value in {"STEPS": 60, "RANDOM_TOWERS": 1}.items():
        monkeypatch.setattr(sync_probe, name, value)
    config = Experiment(
        model=CADConfig(align_tower="lips", lips=LIPS, specific_towers=("video",)),
        data=DataConfig(clip=ClipSpec(0.8, 2, 16, mouth_size=LIPS.image_size)),
    )
    params = tower_model(LIPS).init(jax.random.key(7))
    run = LoadedRun(
        config, make_mesh(1, -1), 1, {f"video_tower/{n}": p for n, p in params.items()}, drawn_set
    )
    monkeypatch.setattr(sync_probe, "load_run", lambda workdir: run)
    arguments = ["--path", str(drawn_set), "--run", "runs/lips", "--repeats", "1"]
    assert main_of("probe_sync")(arguments) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    values = {row[:19].strip(): float(re.findall(r"-?\d\.\d\d", row)[0]) for row in rows}
    others = ("lips random", "image random", "pixels")
    assert set(values) == {"run", *others, *(f"run - {name}" for name in others)}
    assert values["pixels"] > 0.3  # the drawn mouths follow loudness


def test_the_sync_probe_wants_a_lip_tower(drawn_set, monkeypatch, capsys):
    run = LoadedRun(Experiment(), make_mesh(1, -1), 1, {}, drawn_set)
    monkeypatch.setattr(sync_probe, "load_run", lambda workdir: run)
    assert main_of("probe_sync")(["--path", str(drawn_set), "--run", "runs/image"]) == 1
    assert "runs/image has no lip tower" in capsys.readouterr().err


def test_the_sync_probe_wants_a_whisper_encoder(published, drawn_set, tmp_path, capsys):
    output = str(tmp_path / "clip")
    assert main_of("convert_weights")(["--source", str(published), "--output", output]) == 0
    assert main_of("probe_sync")(["--path", str(drawn_set), "--weights", output]) == 1
    assert "holds no Whisper encoder" in capsys.readouterr().err
