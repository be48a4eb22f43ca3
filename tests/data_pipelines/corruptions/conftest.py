"""A clip that encoders have something to do with: moving texture, and sound like speech."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def frames():
    """[25 96 96 3]: smooth texture that moves, with a still corner."""
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (96, 150, 3)).astype(np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(wide, (0, 0), 2.0), None, 10, 245, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    moving = np.stack([wide[:, 2 * i : 2 * i + 96] for i in range(25)])
    moving[:, :24, :24] = 90
    return moving


@pytest.fixture(scope="session")
def sound():
    """[16000]: pulses of 120 Hz through a moving formant, with pauses; no two moments are alike."""
    rng = np.random.default_rng(1)
    pulses = np.zeros(16_000)
    pulses[np.cumsum(rng.integers(110, 160, 115))] = 1
    values = np.convolve(pulses + 0.02 * rng.standard_normal(16_000), _formants(), "same")
    values *= np.repeat(rng.uniform(0.05, 1, 20), 800)
    return np.round(values / np.abs(values).max() * 20_000).astype(np.int16)


def _formants():
    time = np.arange(240) / 16_000
    decay = np.exp(-time * 400)
    return decay * sum(np.sin(2 * np.pi * f * time) / f for f in (500, 1500, 2500, 5500))
