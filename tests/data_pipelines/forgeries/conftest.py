import numpy as np
import pytest

from data_pipelines.forgeries.operations import Footage
from data_pipelines.forgeries.regions import Regions


@pytest.fixture(scope="session")
def footage() -> Footage:
    """Ten noisy frames with a drifting face region, and half a second of a chirping voice."""
    rng = np.random.default_rng(0)
    base = rng.integers(40, 200, (1, 64, 64, 3)).repeat(10, axis=0)
    frames = np.clip(base + rng.normal(0, 8, (10, 64, 64, 3)), 0, 255).astype(np.uint8)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 18 + 32
    faces = np.stack([circle + [0.2 * i, 0] for i in range(10)])
    mouths = np.tile([24.0, 36.0, 40.0, 48.0], (10, 1))
    return Footage(frames, Regions(faces, mouths), voice(1))


def voice(seed: int) -> np.ndarray:
    """Half a second of harmonics of a moving pitch, in two syllables."""
    rng = np.random.default_rng(seed)
    time = np.arange(8000) / 16_000
    pitch = 110 + 60 * rng.random() + 40 * time
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    sound = sum(np.sin(k * phase + rng.random()) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 2 * time), 0, 1) + 0.5 * (time > 0.3)
    return (0.1 * sound * envelope + 0.001 * rng.standard_normal(8000)).astype(np.float32)


@pytest.fixture(scope="session")
def other_voice() -> np.ndarray:
    return voice(2)
