"""Which clips of a score table are compared with which: heads, kinds of forgery, quadrants.

Owns the masks and their names; `figures` measures, `report_page` draws. Knows no metric.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from cad_jax.evaluation.score_table import ScoreTable
from data_pipelines.records.clip import OUT_OF_SYNC

Rows = Bool[np.ndarray, " n"]


class Head(NamedTuple):
    """One of the detector's four verdicts, and what it is held against.

    Attributes:
        name: of the verdict's column.
        labels: 1 where there is what the head should find, 0 where not, -1 unknown.
        scores: its probabilities; nan where there is no verdict.
    """

    name: str
    labels: Integer[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]


class Group(NamedTuple):
    """Forged clips and the genuine ones that they are compared with."""

    name: str
    forged: Rows
    genuine: Rows

    def suits(self, head: Head) -> bool:
        """Whether something in the group is for this head to find."""
        return bool((head.labels[self.forged] == 1).any())

    def rows(self, head: Head) -> Rows:
        """The clips that say how well the head finds it."""
        relevant = (self.forged & (head.labels == 1)) | (self.genuine & (head.labels == 0))
        return relevant & np.isfinite(head.scores)


def heads(table: ScoreTable) -> tuple[Head, Head, Head, Head]:
    """The fused verdict and the three specific ones."""
    mismatch = np.where(table.label_sync < 0, -1, 1 - table.label_sync)
    return (
        Head("p_fake", table.label, table.p_fake),
        Head("p_video", table.label_video, table.p_video),
        Head("p_audio", table.label_audio, table.p_audio),
        Head("p_mismatch", mismatch, table.p_mismatch),
    )


def overall(table: ScoreTable) -> Group:
    """All clips: each head against its own labels, whatever else was forged."""
    everything = np.ones(len(table), bool)
    return Group("all", everything, everything)


def datasets(table: ScoreTable) -> Iterator[Group]:
    """Each data set by itself, like `overall`."""
    for name in np.unique(table.dataset):
        yield Group(str(name), table.dataset == name, table.dataset == name)


def quadrants(table: ScoreTable) -> Iterator[Group]:
    """FVRA, RVFA, FVFA and genuine clips out of sync, each against genuine ones (RVRA)."""

    labels = {"FVRA": (1, 0), "RVFA": (0, 1), "FVFA": (1, 1), "RVRA out of sync": (0, 0)}
    masks = {
        name: (table.label_video == video) & (table.label_audio == audio)
        for name, (video, audio) in labels.items()
    }
    genuine = masks["RVRA out of sync"] & (table.label == 0)
    for name, mask in masks.items():
        if (forged := mask & (table.label == 1)).any():
            yield Group(name, forged, genuine)


def kinds(table: ScoreTable) -> Iterator[Group]:
    """Each kind of forgery against the genuine clips of its data set.

    Those of another data set would be told apart by their origin alone. With several data sets the
    name of a kind begins with that of its own.
    """
    names, sets = kind_names(table), np.unique(table.dataset)
    for dataset in sets.tolist():
        here = table.dataset == dataset
        genuine, forged = here & (table.label == 0), here & (table.label == 1)
        for kind in np.unique(names[forged]).tolist():
            name = f"{dataset}: {kind}" if len(sets) > 1 else kind
            yield Group(name, forged & (names == kind), genuine)


def kind_names(table: ScoreTable) -> Shaped[np.ndarray, " n"]:
    """What was done to each clip: `method of picture / method of sound`, and if out of sync.

    E.g. `swap / mel` or `none / tts, out of sync`; one name where one method made both; `-` for a
    method that is unknown, or whose modality is not there.
    """
    columns = zip(
        table.method_video.tolist(), table.method_audio.tolist(), table.label_sync, strict=True
    )
    names = [
        f"{_both(video or '-', audio or '-')}{', out of sync' if sync == OUT_OF_SYNC else ''}"
        for video, audio, sync in columns
    ]
    return np.array(names, np.str_)


def _both(video: str, audio: str) -> str:
    """A method that made both is named once."""
    return video if video == audio and video not in ("none", "-") else f"{video} / {audio}"
