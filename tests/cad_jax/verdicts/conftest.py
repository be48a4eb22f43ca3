"""An operating point that is read off easily, and windows to judge by it."""

import numpy as np
import pytest

from cad_jax.bundle.operating import Operating
from cad_jax.verdicts.decide import FileFacts, Windows, decide
from cad_jax.verdicts.schema import ModelFacts

HEADS = ("p_fake", "p_video", "p_audio", "p_mismatch")
MODEL = ModelFacts("toy", "0" * 64)
FACTS = FileFacts("clip.mp4", 10.0, "1" * 64)


@pytest.fixture(scope="session")
def operating():
    thresholds = ((0.01, 0.9), (0.05, 0.8), (0.1, 0.7))
    return Operating(
        dict.fromkeys(HEADS, 1.0), dict.fromkeys(HEADS, thresholds), dict.fromkeys(HEADS, 1.0),
        dict.fromkeys(HEADS, 100),
    )  # fmt: skip


def _windows(n: int, face: int = 0, width: float = 100.0, distance: float = 0.5, **scores):
    """n windows of 2 s, a second apart; a score is one number or n, nan by default."""
    start = np.arange(n, dtype=float)
    values = {head: np.full(n, np.nan) for head in HEADS}
    values |= {head: np.broadcast_to(np.asarray(x, float), n) for head, x in scores.items()}
    known = np.isfinite(values["p_mismatch"])
    return Windows(
        start, start + 2.0, np.full(n, face), np.full(n, width), values,
        np.where(known, 40.0, np.nan), np.full(n, distance),
    )  # fmt: skip


def _together(*parts: Windows) -> Windows:
    names = ("start_s", "end_s", "face", "face_px", "offset_ms", "distance")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    scores = {head: np.concatenate([part.scores[head] for part in parts]) for head in HEADS}
    return Windows(**joined, scores=scores)


@pytest.fixture(scope="session")
def windows():
    return _windows


@pytest.fixture(scope="session")
def together():
    return _together


@pytest.fixture(scope="session")
def judged(operating):
    """The verdict on windows, one after the other."""
    return lambda *parts: decide(_together(*parts), operating, FACTS, MODEL, ("toys alone",))
