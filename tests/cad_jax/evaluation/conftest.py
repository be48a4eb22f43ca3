"""A small score table of every kind of clip."""

import numpy as np
import pytest

from cad_jax.evaluation.score_table import ScoreTable

NAN = float("nan")
HEADER = (
    "clip_id", "label", "label_video", "label_audio", "label_sync", "method_video", "method_audio",
    "cluster", "p_fake", "p_video", "p_audio", "p_mismatch", "best_offset_ms", "sync_delay_ms",
    "reason",
)  # fmt: skip
ROWS = [
    ("a/one.mp4#0", 0, 0, 0, 1, "none", "none", "ann", 0.1, 0.2, 0.1, 0.1, 0.0, 0.0, ""),
    ("a/one.mp4#2000", 0, 0, 0, 1, "none", "none", "ann", 0.3, 0.1, 0.2, 0.2, 40.0, 0.0, ""),
    ("a/two.mp4#0", 1, 1, 0, -1, "swap", "none", "bob", 0.9, 0.8, 0.3, 0.4, 0.0, NAN, ""),
    ("a/three.mp4#0", 1, 0, 1, -1, "none", "tts", "cid", 0.6, 0.3, 0.9, 0.5, -80.0, NAN, ""),
    ("a/four.mp4#0", 1, 1, 1, 0, "lips", "tts", "bob", 0.8, 0.7, 0.8, 0.9, 320.0, 320.0, ""),
    ("a/five.mp4#0", 1, 0, 0, 0, "none", "none", "dan", 0.2, 0.2, 0.2, 0.7, 400.0, NAN, ""),
    ("b/six.mp4#0", 0, 0, -1, -1, "none", "", "eve", 0.7, 0.6, NAN, NAN, NAN, NAN, ""),
    ("b/seven.mp4#0", 1, 1, -1, -1, "swap", "", "eve", 0.4, 0.5, NAN, NAN, NAN, NAN, ""),
    ("b/eight.mp4#0", -1, -1, -1, -1, "", "", "fay", NAN, NAN, NAN, NAN, NAN, NAN, "no face"),
]


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    rows = [np.array(column) for column in zip(*ROWS, strict=True)]
    columns = dict(zip(HEADER, rows, strict=True))
    dataset = np.array([clip.split("/")[0] for clip, *_ in ROWS])
    originals = np.array(["1", "1", "1", "2", "1", "2", "1", "1", ""])
    split = np.full(len(ROWS), "test")
    return columns | {"dataset": dataset, "split": split, "pair_id": originals}


@pytest.fixture
def table(columns: dict[str, np.ndarray]) -> ScoreTable:
    return ScoreTable(**columns)
