"""A very small experiment, a finished run of it; random outputs and labels for the objective."""

import numpy as np
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


def random_outputs(b: int, seed: int = 0, k: int = 8, g: int = 40, d: int = 12, e: int = 6) -> dict:
    """Arrays for `Outputs` that look like a detector's, as a dictionary of numpy float32."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def unit(*shape):
        x = normal(*shape)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    logits = ("verdict", "logit", "logit_video", "logit_audio", "logit_mismatch")
    students = ("student_logit_video", "student_logit_audio")
    pooled = ("specific_video", "specific_audio", "predicted_video", "predicted_audio", "fused")
    return {
        **{name: normal(b) for name in logits + students},
        **{name: normal(b, d) for name in pooled},
        "specific_logits_video": normal(b, 2),
        "specific_logits_audio": normal(b, 2),
        "frame_logits_video": normal(b, k),
        "frame_logits_audio": normal(b, k),
        "z_video": unit(b, k, e),
        "z_audio": unit(b, g, e),
        "grid_index": np.sort(rng.integers(0, g, (b, k)), axis=1).astype(np.int32),
        "align_mask": rng.random((b, k)) > 0.2,
        "speech_mask": rng.random((b, g)) > 0.2,
        "shared_video": normal(b, k, d),
        "shared_audio": normal(b, k, d),
        "sync_curve": normal(b, 31),
        "clip_scale": np.float32(10.0),
        "frame_scale": np.float32(5.0),
        "clip_bias": np.float32(-3.0),
    }


def random_labels(b: int, seed: int = 0) -> dict:
    """The labels and flags of a batch with every kind of clip in it, as numpy arrays."""
    rng = np.random.default_rng(seed)
    forged_video, forged_audio = rng.random((2, b)) > 0.6
    label = (forged_video | forged_audio).astype(np.int32)
    return {
        "has_video": rng.random(b) > 0.1,
        "has_audio": rng.random(b) > 0.1,
        "label_video": np.where(rng.random(b) > 0.1, forged_video, -1).astype(np.int32),
        "label_audio": np.where(rng.random(b) > 0.1, forged_audio, -1).astype(np.int32),
        "label": label,
        "label_sync": rng.integers(-1, 2, b).astype(np.int32),
        "pair": rng.integers(-1, b // 2, b).astype(np.int32),
        "valid": rng.random(b) > 0.1,
    }


@pytest.fixture(scope="session")
def make_step():
    """Makes (outputs, labels) of b clips: `make_step(b, seed)`."""
    return lambda b, seed=0: (random_outputs(b, seed), random_labels(b, seed))
