"""A very small experiment on the drawn set, and one finished run of it."""

import pytest

from cad_jax.settings.experiment import Experiment
from cad_jax.settings.loss import weights
from cad_jax.training.loop import train


@pytest.fixture(scope="session")
def small_experiment(drawn_set):
    """Settings of a model that compiles in seconds; override by `{section: {key: value}}`."""

    def make(**overrides: dict) -> Experiment:
        tower = {"width": 32, "depth": 1, "heads": 2}
        values = {
            "data": {
                "path": str(drawn_set),
                "clip": {"seconds": 1.0, "frames": 5, "image_size": 32},
                "batch_size": 8,
                "augment": {"flip": 0.5, "noise": 0.5, "sync_shift": 0.3, "drop_audio": 0.1},
            },
            "model": {
                "video": tower | {"image_size": 32},
                "audio": tower,
                "lora": {"rank": 2},
                "width": 32,
                "heads": 2,
                "embedding": 16,
                "fusion_depth": 1,
            },
            "loss": {"kl": 0.1},
            "optimizer": {"learning_rate": 3e-3, "warmup_steps": 2},
            "mesh": {"data": 1, "fsdp": -1},
            "train": {"steps": 6, "log_every": 1, "evaluate_every": 4, "checkpoint_every": 2},
            "evaluation": {"batch_size": 8, "bootstrap": 20},
        }
        for section, changes in overrides.items():
            values[section] = values[section] | changes
        return Experiment.from_mapping(values)

    return make


@pytest.fixture(scope="session")
def small_pretraining(small_experiment):
    """The same as a pretraining, with a moving average."""

    def make(**overrides: dict) -> Experiment:
        sections = {
            "data": {"genuine_only": "all", "augment": {"flip": 0.5}},
            "loss": dict.fromkeys(weights(), 0.0) | {"align_clip": 1.0, "align_frame": 1.0},
            "optimizer": {"ema_decay": 0.9},
        }
        for section, changes in overrides.items():
            sections[section] = sections.get(section, {}) | changes
        values = small_experiment(**sections).to_mapping()
        return Experiment.from_mapping(values | {"stage": "pretrain"})

    return make


@pytest.fixture(scope="session")
def finished_pretraining(small_pretraining, tmp_path_factory):
    """A finished pretraining: its experiment and its folder."""
    workdir = tmp_path_factory.mktemp("pretrained")
    config = small_pretraining(train={"steps": 4, "evaluate_every": 2})
    assert train(config, workdir)
    return config, workdir


@pytest.fixture(scope="session")
def finished_run(small_experiment, tmp_path_factory):
    """A finished run: its experiment and its folder."""
    workdir = tmp_path_factory.mktemp("finished")
    config = small_experiment()
    assert train(config, workdir)
    return config, workdir
