"""A study's folder with results of made-up runs: scores on disk and lines in the store."""

import dataclasses
import pathlib

import numpy as np
import pytest

from cad_jax.evaluation.embeddings import EMBEDDINGS_FILE, write_embeddings
from cad_jax.evaluation.score_table import ScoreTable, write_scores
from cad_jax.settings.protocol import Protocol
from cad_jax.study.store import Result, Store

INPUTS = {"data train 0": "drawn/train: 9 clips, records abc, preparation def"}
STRENGTH = {"full": 2.0, "no-alignment": 1.0}  # how far forged scores lie above genuine ones


@pytest.fixture
def protocol():
    return Protocol(
        preset="configs/cad.py:size=tiny",
        variants=("full", "no-alignment", "late-maximum"),
        seeds=(0, 1),
        metrics=("auc", "accuracy"),
        draws=200,
    )


def _scores(split: str, seed: int, strength: float, people: int = 30) -> ScoreTable:
    """Four clips a person, two windows a video; a video of each person is forged."""
    n = 4 * people
    person, rng = np.arange(n) // 4, np.random.default_rng([seed, len(split)])
    label = (np.arange(n) // 2 % 2).astype(np.int32)

    def probabilities(shift: float) -> np.ndarray:
        logits = rng.standard_normal(n) + shift * (label - 0.5)
        return 1 / (1 + np.exp(-logits))

    text = {"dataset": "made", "split": split, "method_audio": "none", "reason": ""}
    return ScoreTable(
        clip_id=np.array([f"made/{i // 2}.mp4#{i % 2}" for i in range(n)]),
        cluster=np.array([f"person {i}" for i in person]),
        pair_id=np.array([str(i) for i in person]),
        method_video=np.where(label == 1, "swap", "none"),
        **{name: np.full(n, value) for name, value in text.items()},
        **dict.fromkeys(("label", "label_video"), label),
        **{name: np.full(n, value, np.int32) for name, value in
           {"label_audio": 0, "label_sync": 1}.items()},
        p_fake=probabilities(strength),
        p_video=probabilities(strength / 2),
        p_audio=probabilities(0.0),
        p_mismatch=probabilities(0.0),
        best_offset_ms=np.zeros(n),
        sync_delay_ms=np.zeros(n),
    )  # fmt: skip


def _embeddings(split: str, seed: int) -> np.ndarray:
    """Of the clips of `_scores`: forged ones point one way, genuine ones another."""
    label = _scores(split, seed, 1.0).label
    noise = np.random.default_rng(seed).standard_normal((len(label), 3)) / 10
    return (noise + np.stack([label, 1 - label, 0 * label], axis=1)).astype(np.float16)


@pytest.fixture
def scores():
    """Makes a table: `scores(split, seed, strength)`."""
    return _scores


@pytest.fixture
def inputs():
    """What the made-up runs depend on."""
    return INPUTS


@pytest.fixture
def add(tmp_path):
    """Adds a made-up run to the store of a folder."""

    def add(variant: str, seed: int, folder: pathlib.Path | None = None, **changes) -> Result:
        folder = folder or tmp_path / "study"
        place, store = folder / variant / f"seed-{seed}", Store(folder)
        place.mkdir(parents=True, exist_ok=True)
        files = []
        for split in ("val", "test"):
            path = place / f"scores-{split}.csv"
            write_scores(_scores(split, seed, STRENGTH[variant]), path)
            files.append(store.score_file(split, path))
            write_embeddings(_embeddings(split, seed), place / EMBEDDINGS_FILE.format(split))
        result = Result(
            protocol="made", variant=variant, seed=seed, configuration=f"{variant} {seed}",
            code="c0de", inputs=INPUTS, hardware="1 x cpu", seconds={"process": 1.0},
            scores=tuple(files), metrics={}, config={},
        )  # fmt: skip
        result = dataclasses.replace(result, **changes)
        store.add(result)
        return result

    return add


@pytest.fixture
def study(tmp_path, add):
    """Two variants with two seeds each."""
    for variant in STRENGTH:
        for seed in (0, 1):
            add(variant, seed)
    return tmp_path / "study"
