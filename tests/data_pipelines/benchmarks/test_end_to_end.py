"""The miniature benchmarks go all the way: prepared, audited, trained on for a step, evaluated."""

import json
import pathlib
import runpy

import pytest

from cad_jax.evaluation.evaluate import evaluate
from cad_jax.run.placement import load_run
from cad_jax.settings.experiment import Experiment
from cad_jax.training.loop import train
from data_pipelines.records.metadata import read_metadata

pytestmark = pytest.mark.slow

BENCHMARKS = sorted(path.name for path in (pathlib.Path(__file__).parent / "trees").iterdir())
AUDIT = pathlib.Path(__file__).parents[3] / "scripts" / "audit.py"


def small_experiment(directory, **data):
    """A model that compiles in seconds, for clips of 0.8 s; trains on the first split there is."""
    splits = [
        name for name in ("train", "val", "test") if name in read_metadata(directory).shard_lengths
    ]
    tower = {"width": 32, "depth": 1, "heads": 2}
    clip = {"seconds": 0.8, "frames": 4, "image_size": 32}
    return Experiment.from_mapping(
        {
            "data": {
                "path": str(directory),
                "clip": clip,
                "batch_size": 8,
                "train_split": splits[0],
                "validation_split": splits[-1],
                "test_splits": splits[-1:],
            }
            | data,
            "model": {
                "video": tower | {"image_size": 32},
                "audio": tower,
                "lora": {"rank": 2},
                "width": 32,
                "heads": 2,
                "embedding": 16,
                "fusion_depth": 1,
            },
            "mesh": {"data": 1, "fsdp": -1},
            "train": {"steps": 1, "evaluate_every": 0},
            "evaluation": {"batch_size": 8, "bootstrap": 5},
        }
    )


def metrics_after_a_step(config, workdir):
    workdir.mkdir()
    assert train(config, workdir)
    evaluate(load_run(workdir), config, workdir)
    (split,) = config.data.test_splits
    return json.loads((workdir / "evaluation" / f"metrics-{split}.json").read_text())


@pytest.mark.heavy
def test_each_alone(benchmark, prepared_tree, tmp_path):
    directory = prepared_tree(benchmark).directory
    assert runpy.run_path(str(AUDIT))["main"](["--path", str(directory)]) == 0
    assert (directory / "audit.html").exists()
    config = small_experiment(directory)
    found = metrics_after_a_step(config, tmp_path / "run")
    clips = sum(read_metadata(directory).shard_lengths[config.data.test_splits[0]])
    assert found["clips"]["coverage"]["clips"] == clips


@pytest.mark.heavy
def test_all_together(prepared_tree, tmp_path):
    first, *others = [str(prepared_tree(name).directory) for name in BENCHMARKS]
    config = small_experiment(
        first,
        extra_paths=others,
        evaluate_paths=others,
        mixture_weights=[1] * len(BENCHMARKS),
        batch_size=24,
        test_splits=["train"],
    )
    found = metrics_after_a_step(config, tmp_path / "run")
    assert found["clips"]["datasets"].keys() == set(BENCHMARKS)


def test_soundless_sets_train_together_with_one_that_has_sound(prepared_tree, tmp_path):
    names = ("fakeavceleb", "faceforensics", "celebdf")
    first, *others = [str(prepared_tree(name).directory) for name in names]
    config = small_experiment(
        first,
        extra_paths=others,
        evaluate_paths=others,
        mixture_weights=[2, 1, 1],
        batch_size=24,  # as above: one compilation where both run
    )
    found = metrics_after_a_step(config, tmp_path / "run")["clips"]["datasets"]
    assert found.keys() == set(names)
    heard = {name: figures["p_audio"]["clips"] for name, figures in found.items()}
    assert heard["fakeavceleb"] > 0
    assert heard["faceforensics"] == heard["celebdf"] == 0
