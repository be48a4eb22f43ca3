"""The figures of a study: each variant's, and the difference of two, with what is known of them.

Of every figure two uncertainties stand apart: the interval over people (the seeds' mean, on draws
that all variants, groups and heads share) and the spread over seeds (standard deviation).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cad_jax.evaluation import groups
from cad_jax.evaluation.groups import Group
from cad_jax.evaluation.score_table import ScoreTable
from cad_jax.study.systems import Scored, System
from data_pipelines.metrics.bootstrap import (
    Interval,
    Resamples,
    bootstrap_p,
    bootstrap_values,
    draw_clusters,
    percentile_interval,
)
from data_pipelines.metrics.comparison import delong_test, holm, mcnemar_test
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.standard import standard_metrics

GROUPS: dict[str, Callable[[ScoreTable], Iterable[Group]]] = {
    "all": lambda table: [groups.overall(table)],
    "datasets": groups.datasets,
    "quadrants": groups.quadrants,
    "kinds": groups.kinds,
}


class Figure(NamedTuple):
    """A metric of one variant on one group of a test.

    Attributes:
        mean: over seeds.
        spread: standard deviation over seeds; nan of one.
        interval: of the mean, over people.
        values: of each seed.
    """

    mean: float
    spread: float
    interval: Interval
    values: tuple[float, ...]


class Row(NamedTuple):
    """What one variant reaches on one group of a test.

    Attributes:
        split, group, variant: where and what.
        clips, people: how many are measured.
        figures: by metric.
    """

    split: str
    group: str
    variant: str
    clips: int
    people: int
    figures: dict[str, Figure]


class Difference(NamedTuple):
    """A metric of the first variant less the other's, on one group of a test.

    Attributes:
        split, group, first, other, metric: where and what.
        figure: the difference: its spread is over seeds that both have.
        p: two-sided, by the paired bootstrap over people.
        p_holm: corrected for all differences that were asked for.
        p_clips: of each seed that both have, by DeLong (`auc`) or McNemar (`accuracy`), which take
            clips as independent; none for other metrics.
    """

    split: str
    group: str
    first: str
    other: str
    metric: str
    figure: Figure
    p: float
    p_holm: float
    p_clips: tuple[float, ...]


class _Measured(NamedTuple):
    """Of one variant and group: each metric's [seeds] values and their [seeds d] on the draws."""

    values: dict[str, Float[np.ndarray, " s"]]
    drawn: dict[str, Float[np.ndarray, "s d"]]


def table_rows(
    systems: Sequence[System], metrics: Sequence[str], by: str = "all", draws: int = 1000
) -> list[Row]:
    """Every variant on every group of every test.

    Args:
        systems: what to measure.
        metrics: names of `standard_metrics`.
        by: a name of `GROUPS`.
        draws: of people.
    """
    rows = []
    for split, group, mask, people in tests_of(systems[0], by, draws):
        for system in systems:
            found = _measure(system.splits[split], mask, metrics, people)
            figures = {name: summarise(found.values[name], found.drawn[name]) for name in metrics}
            counted = int(mask.sum()), len(np.unique(people.cluster[mask]))
            rows.append(Row(split, group, system.variant, *counted, figures))
    return rows


def compare(
    first: System,
    others: Sequence[System],
    metrics: Sequence[str],
    by: str = "all",
    draws: int = 1000,
) -> list[Difference]:
    """The first variant less each of the others, paired on the same draws of people."""
    found = []
    for split, group, mask, people in tests_of(first, by, draws):
        own = _measure(first.splits[split], mask, metrics, people)
        for other in others:
            theirs = _measure(other.splits[split], mask, metrics, people)
            pairs = _shared_seeds(first, other)
            for name in metrics:
                drawn = own.drawn[name].mean(axis=0) - theirs.drawn[name].mean(axis=0)
                figure = Figure(
                    float(own.values[name].mean() - theirs.values[name].mean()),
                    _spread([own.values[name][i] - theirs.values[name][j] for i, j in pairs]),
                    percentile_interval(drawn),
                    tuple(float(own.values[name][i] - theirs.values[name][j]) for i, j in pairs),
                )
                of_clips = tuple(
                    _p_of_clips(name, first.splits[split][i], other.splits[split][j], mask)
                    for i, j in pairs
                    if name in ("auc", "accuracy")
                )
                where = split, group, first.variant, other.variant, name
                found.append(Difference(*where, figure, bootstrap_p(drawn), np.nan, of_clips))
    corrected = holm(np.array([one.p for one in found]))
    return [one._replace(p_holm=float(p)) for one, p in zip(found, corrected, strict=True)]


def tests_of(
    system: System, by: str, draws: int
) -> Iterator[tuple[str, str, Bool[np.ndarray, " n"], Resamples]]:
    """Split, group, its measured clips, and the draws of the split's people."""
    for split, runs in system.splits.items():
        table = runs[0].test
        people, fused = draw_clusters(table.cluster, draws), groups.heads(table)[0]
        for group in GROUPS[by](table):
            yield split, group.name, group.rows(fused), people


def _measure(
    runs: Sequence[Scored], rows: Bool[np.ndarray, " n"], metrics: Sequence[str], people: Resamples
) -> _Measured:
    values: dict[str, list] = {name: [] for name in metrics}
    drawn: dict[str, list] = {name: [] for name in metrics}
    for run in runs:
        standard = standard_metrics(run.threshold)
        chosen = {name: standard[name] for name in metrics}
        case = run.test.label[rows], run.test.p_fake[rows]
        counts, on_draws = count_scores(*case), bootstrap_values(chosen, *case, people.of(rows))
        for name, metric in chosen.items():
            values[name].append(float(metric(counts)))
            drawn[name].append(on_draws[name])
    return _Measured(
        {name: np.array(found) for name, found in values.items()},
        {name: np.stack(found) for name, found in drawn.items()},
    )


def summarise(values: Float[np.ndarray, " s"], drawn: Float[np.ndarray, "s d"]) -> Figure:
    """A figure from its value for each seed, and the same on d draws of people."""
    interval = percentile_interval(drawn.mean(axis=0))
    return Figure(float(values.mean()), _spread(values), interval, tuple(values.tolist()))


def _spread(values: Sequence[float] | Float[np.ndarray, " s"]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else np.nan


def _shared_seeds(first: System, other: System) -> list[tuple[int, int]]:
    """Places of the seeds that both have."""
    places = {seed: place for place, seed in enumerate(other.seeds)}
    return [(i, places[seed]) for i, seed in enumerate(first.seeds) if seed in places]


def _p_of_clips(metric: str, one: Scored, other: Scored, rows: Bool[np.ndarray, " n"]) -> float:
    labels = one.test.label[rows]
    scores = one.test.p_fake[rows], other.test.p_fake[rows]
    if metric == "auc":
        return delong_test(labels, *scores).p
    called = [of >= run.threshold for of, run in zip(scores, (one, other), strict=True)]
    return mcnemar_test(labels, *called).p
