"""The units that a variant is most confidently wrong about, with a picture where there is one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cad_jax.data import open_evaluation
from cad_jax.evaluation.groups import kind_names
from cad_jax.evaluation.score_table import HEADS
from cad_jax.settings.experiment import Experiment
from cad_jax.study.inputs import describe_records
from cad_jax.study.store import Result
from cad_jax.study.systems import System
from data_pipelines.documents.blocks import Cells
from data_pipelines.errors import UserError

MOST = 12  # of a test


class Mistake(NamedTuple):
    """A unit that half of the seeds or more judged wrongly.

    Attributes:
        clip_id: its name.
        truth: `genuine`, or how it was forged.
        scores: mean over seeds of what each head says; nan of one that says nothing.
        wrong: how many seeds were wrong.
    """

    clip_id: str
    truth: str
    scores: dict[str, float]
    wrong: int


def hardest(system: System, split: str, most: int = MOST) -> list[Mistake]:
    """Of the units that half of the seeds or more judge wrongly, those furthest from their label.

    Args:
        system: the variant; each seed judges by the threshold of its own validation.
        split: of its tests.
        most: how many.
    """
    runs = system.splits[split]
    table, scores = runs[0].test, np.stack([run.test.p_fake for run in runs])
    thresholds = np.nan_to_num([run.threshold for run in runs], nan=0.5)
    wrong = ((scores >= thresholds[:, None]) != (table.label == 1)).sum(axis=0)
    distance = np.abs(scores.mean(axis=0) - table.label)
    known = np.all([run.test.labelled for run in runs], axis=0)
    rows = np.flatnonzero(known & (2 * wrong >= len(runs)))
    names = kind_names(table)

    def mistake(row: int) -> Mistake:
        said = {
            head: float(np.mean([getattr(run.test, head)[row] for run in runs])) for head in HEADS
        }
        truth = str(names[row]) if table.label[row] == 1 else "genuine"
        return Mistake(str(table.clip_id[row]), truth, said, int(wrong[row]))

    ordered = rows[np.argsort(-distance[rows], kind="stable")]
    return [mistake(row) for row in ordered[:most].tolist()]


def mistake_cells(mistakes: Sequence[Mistake], seeds: int) -> Cells:
    """A row for each mistake."""
    rows = [
        [
            one.clip_id,
            one.truth,
            *("-" if np.isnan(p) else f"{p:.3f}" for p in one.scores.values()),
            f"{one.wrong} of {seeds}",
        ]
        for one in mistakes
    ]
    return [["clip", "truth", *HEADS, "seeds that are wrong"], *rows]


def middle_frames(
    result: Result, split: str, names: Sequence[str], unit: str
) -> Iterator[tuple[str, bytes]]:
    """Names and middle frames, as JPEG, of those units that have a picture.

    Args:
        result: of any run, which says where the records lie and what they held.
        split: of its tests.
        names: of clips or videos.
        unit: which of these; of a video it is the first clip's.

    Raises:
        UserError: the records are not at hand, or are not those that were judged.
    """
    config = Experiment.from_mapping(result.config)
    for name, held in describe_records(config.data, split).items():
        if held != result.inputs.get(name):
            raise UserError(f"{name} holds other records now: {held}")
    source = open_evaluation(config.data, split)
    units = source.column("clip_id" if unit == "clip" else "video").tolist()
    for name in names:
        index = units.index(name)
        sample = source[index]
        if sample.index == index and sample.clip.has_video:  # else another stands in for it
            yield name, sample.clip.frames[len(sample.clip.frames) // 2]
