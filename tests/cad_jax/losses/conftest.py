"""Meshes of eight virtual devices and of one to compare them with; random outputs and labels."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from cad_jax.parallel.mesh import make_mesh


@pytest.fixture(params=[(8, 1), (4, 2), (2, 4)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return make_mesh(*request.param)


@pytest.fixture
def one_device() -> Mesh:
    return make_mesh(1, 1, devices=jax.devices()[:1])


def random_outputs(b: int, seed: int = 0, k: int = 8, g: int = 40, d: int = 12, e: int = 6) -> dict:
    """Arrays for `Outputs` that look like a detector's, as a dictionary of numpy float32."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    def unit(*shape):
        x = normal(*shape)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    logits = ("logit", "logit_video", "logit_audio", "logit_mismatch")
    students = ("student_logit_video", "student_logit_audio")
    pooled = ("specific_video", "specific_audio", "predicted_video", "predicted_audio", "fused")
    return {
        **{name: normal(b) for name in logits + students},
        **{name: normal(b, d) for name in pooled},
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


@pytest.fixture
def make_step():
    """Makes (outputs, labels) of b clips: `make_step(b, seed)`."""
    return lambda b, seed=0: (random_outputs(b, seed), random_labels(b, seed))
