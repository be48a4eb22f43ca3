"""Clips worth looking at: which of a score table, and the frames of each as one strip.

Frames are those the detector saw. Knows nothing of figures or pages.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from cad_jax.evaluation.groups import kind_names
from cad_jax.evaluation.score_table import HEADS, ScoreTable
from data_pipelines.loading.rows import EvaluationRow
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.source import TFRecordSource

KINDS = 4  # kinds of forgery of which clips are shown
FRAMES = 8  # of a strip, at most


class Strip(NamedTuple):
    """A clip's frames side by side, and what is to be said of it."""

    caption: str
    picture: UInt8[np.ndarray, "h w 3"]


def choose_clips(table: ScoreTable, threshold: float) -> list[int]:
    """The most confident right and the most confident wrong answer on genuine and forged clips.

    Args:
        table: scores of clips.
        threshold: of p_fake; 0.5 where it is nan.

    Returns:
        Rows: of the genuine clips, then of each of the `KINDS` most frequent kinds of forgery, the
        right answer before the wrong one. Only clips with a picture.
    """
    seen = np.isfinite(table.p_fake) & np.isfinite(table.p_video)
    forged = seen & (table.label == 1)
    names, counts = np.unique(kind_names(table)[forged], return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:KINDS]
    groups = [forged & (kind_names(table) == name) for name in frequent]
    sides = table.p_fake >= (0.5 if math.isnan(threshold) else threshold)
    return [
        row
        for label, group in [(0, seen & (table.label == 0)), *((1, group) for group in groups)]
        for answer in (label, 1 - label)
        for row in _most_confident(table.p_fake, group & (sides == bool(answer)), answer)
    ]


def cut_strips(
    source: TFRecordSource,
    spec: ClipSpec,
    table: ScoreTable,
    rows: Sequence[int],
    threshold: float,
) -> Iterator[Strip]:
    """The strips of some clips; one of which no frame was seen is left out.

    Args:
        source: the clips, by row of the table.
        spec: which frames the detector saw.
        table: scores of clips.
        rows: which.
        threshold: of p_fake, for the caption.

    Raises:
        UserError: a record or frame is damaged.
    """
    read, names = EvaluationRow(source, spec), kind_names(table)
    for index in rows:
        row = read(index)
        frames = row["frames"][row["frame_mask"]]
        if len(frames):
            step = -(-len(frames) // FRAMES)
            kind = names[index] if table.label[index] == 1 else "genuine"
            caption = f"{kind}: {_verdicts(table, index, threshold)}"
            yield Strip(caption, np.concatenate(frames[::step], axis=1))


def _most_confident(scores: np.ndarray, rows: np.ndarray, answer: int) -> list[int]:
    """The row that answers so with the greatest confidence, if any does."""
    candidates = np.flatnonzero(rows)
    best = np.argmax if answer else np.argmin
    return [int(candidates[best(scores[candidates])])] if len(candidates) else []


def _verdicts(table: ScoreTable, row: int, threshold: float) -> str:
    called = table.p_fake[row] >= (0.5 if math.isnan(threshold) else threshold)
    right = "right" if called == bool(table.label[row]) else "WRONG"
    values = {name: getattr(table, name)[row] for name in HEADS}
    texts = [f"{name} {'-' if np.isnan(v) else f'{v:.2f}'}" for name, v in values.items()]
    return ", ".join([right, *texts])
