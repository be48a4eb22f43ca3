"""Labels and scores in which most clips tie with some other."""

from collections.abc import Callable

import numpy as np
import pytest

Case = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def tied() -> Callable[..., Case]:
    def draw(seed: int, n: int = 60) -> Case:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, n)
        return labels, (rng.integers(0, 8, n) + labels * rng.integers(0, 3, n)) / 10.0

    return draw
