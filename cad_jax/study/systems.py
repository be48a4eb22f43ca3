"""What was compared: each variant's scores on each test, of every seed, read from the store.

Owns the step from results to arrays that stand beside each other: the same units in the same order,
with the thresholds that validation chose. Computes no figure.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cad_jax.evaluation.figures import choose_threshold
from cad_jax.evaluation.score_table import ScoreTable, read_scores, to_videos
from cad_jax.settings.protocol import LATE, Protocol
from cad_jax.study.late_fusion import late_fusion
from cad_jax.study.store import Result, Store, read_runs, refuse_other_inputs
from data_pipelines.errors import UserError, nearest


class Scored(NamedTuple):
    """One run's scores of one split, beside those that chose its threshold.

    Attributes:
        validation, test: of videos or clips.
        threshold: of p_fake, from validation.
    """

    validation: ScoreTable
    test: ScoreTable
    threshold: float


@dataclasses.dataclass(frozen=True)
class System:
    """A variant with all its seeds.

    Attributes:
        variant: its name.
        seeds: of its runs.
        splits: the scores of each run, by test split.
        codes: hashes of the programs that made them.
    """

    variant: str
    seeds: tuple[int, ...]
    splits: dict[str, tuple[Scored, ...]]
    codes: frozenset[str]


def read_systems(
    folders: Sequence[pathlib.Path], protocol: Protocol, variants: Sequence[str] = ()
) -> list[System]:
    """The variants of which there are results, in the protocol's order or that of `variants`.

    Args:
        folders: of one study, perhaps made in parts on several machines.
        protocol: says the unit and which variants there are.
        variants: those to read; each must be there. None: all that are.

    Raises:
        UserError: no results, or of different data, splits or weights; scores that were changed; a
            run twice; a variant that is not there.
    """
    results = read_runs(folders)
    refuse_other_inputs([one for _, one in results])
    _refuse_twice([one for _, one in results])
    found = []
    for variant in variants or protocol.variants:
        runs = [one for one in results if one[1].variant == _trained_as(variant)]
        if not runs and variants:
            known = {one.variant for _, one in results}
            raise UserError(f"no results of {variant!r}: {nearest(variant, known)}")
        if runs:
            runs.sort(key=lambda run: run[1].seed)
            found.append(_system(variant, runs, protocol.unit))
    _refuse_other_units(found)
    return found


def _system(variant: str, runs: Sequence[tuple[Store, Result]], unit: str) -> System:
    scored = [dict(_scored(variant, store, result, unit)) for store, result in runs]
    return System(
        variant,
        tuple(result.seed for _, result in runs),
        {split: tuple(run[split] for run in scored) for split in scored[0]},
        frozenset(result.code for _, result in runs),
    )


def _scored(variant: str, store: Store, result: Result, unit: str) -> Iterator[tuple[str, Scored]]:
    """By test split."""
    validation, *tests = (
        read_scores(store.find_scores(result, scores)) for scores in result.scores
    )
    fuse = late_fusion(variant, validation) if variant in LATE else lambda table: table

    def units(table: ScoreTable) -> ScoreTable:
        return to_videos(fuse(table)) if unit == "video" else fuse(table)

    chosen = units(validation)
    threshold = choose_threshold(chosen)
    for scores, table in zip(result.scores[1:], tests, strict=True):
        yield scores.split, Scored(chosen, units(table), threshold)


def _trained_as(variant: str) -> str:
    return "full" if variant in LATE else variant


def _refuse_twice(results: Sequence[Result]) -> None:
    names = [result.name for result in results]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{name} is there twice: name each study's folder once")


def _refuse_other_units(systems: Sequence[System]) -> None:
    """All tables of a split hold the same units with the same labels, in the same order."""
    first = systems[0].splits
    for system in systems:
        for split, runs in system.splits.items():
            wanted = first[split][0].test
            for seed, run in zip(system.seeds, runs, strict=True):
                same = all(
                    np.array_equal(getattr(run.test, column), getattr(wanted, column))
                    for column in ("clip_id", "label", "cluster")
                )
                if not same:
                    raise UserError(f"{system.variant} seed {seed} judged other clips of {split}")
