"""What a threshold, a calibration or a set of labels that validation chose is worth on a test.

Every choice is made on the same run's validation scores; a test only shows what has become of it.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from cad_jax.study.figures import Row, summarise, tests_of
from cad_jax.study.systems import Scored, System
from data_pipelines.metrics.bootstrap import Metric, Resamples, bootstrap_values
from data_pipelines.metrics.calibration import expected_calibration_error
from data_pipelines.metrics.counts import Labels, Scores, count_scores
from data_pipelines.metrics.recalibration import (
    apply_temperature,
    fit_conformal,
    fit_isotonic,
    fit_temperature,
)
from data_pipelines.metrics.thresholds import (
    accuracy,
    false_positive_rate,
    threshold_at_fpr,
    true_positive_rate,
)

RATES = (0.01, 0.1)  # wanted of genuine units
MISS = 0.1  # share of either class whose set of labels may lack the true one


class _Asked(NamedTuple):
    """A metric of some scores; `rows` are of the measured units."""

    name: str
    rows: np.ndarray
    labels: Labels
    scores: Scores
    metric: Metric


def operating_rows(systems: Sequence[System], by: str = "all", draws: int = 1000) -> list[Row]:
    """Of every variant on every group of every test, as `figures.table_rows`.

    Returns:
        ECE as it is and after either calibration; for each of `RATES` what the false and true
        positive rates are at validation's threshold for it; of conformal sets the shares that hold
        the truth, of forged and of genuine units (each ought to be 1 - `MISS`), and that hold both
        labels (`cannot tell`).
    """
    rows = []
    for split, group, mask, people in tests_of(systems[0], by, draws):
        for system in systems:
            asked = [list(_questions(run, mask)) for run in system.splits[split]]
            figures = {
                same[0].name: summarise(
                    np.array([_value(one) for one in same]),
                    np.stack([_on_draws(one, people.of(mask)) for one in same]),
                )
                for same in zip(*asked, strict=True)
            }
            counted = int(mask.sum()), len(np.unique(people.cluster[mask]))
            rows.append(Row(split, group, system.variant, *counted, figures))
    return rows


def _questions(run: Scored, mask: np.ndarray) -> Iterator[_Asked]:
    validation = run.validation.select(run.validation.labelled)
    chosen = validation.label, validation.p_fake
    labels, scores = run.test.label[mask], run.test.p_fake[mask]
    everything = np.ones(len(labels), bool)
    calibrated = {
        "ECE": scores,
        "ECE, temperature": apply_temperature(scores, fit_temperature(*chosen)),
        "ECE, isotonic": fit_isotonic(*chosen).apply(scores),
    }
    for name, probabilities in calibrated.items():
        yield _Asked(name, everything, labels, probabilities, expected_calibration_error)
    for rate in RATES:
        threshold = threshold_at_fpr(count_scores(*chosen), rate)
        for name, metric in (("FPR", false_positive_rate), ("TPR", true_positive_rate)):
            at = functools.partial(metric, threshold=threshold)
            yield _Asked(f"{name}, {rate:.0%} wanted", everything, labels, scores, at)
    sets = fit_conformal(*chosen, MISS).apply(scores)
    shares = {
        "forged held": (labels == 1, sets.fake),
        "genuine held": (labels == 0, sets.real),
        "cannot tell": (everything, sets.fake & sets.real),
    }
    for name, (rows, held) in shares.items():
        # A share is the accuracy where everything ought to be held.
        wanted = np.ones(int(rows.sum()), np.int32)
        share = functools.partial(accuracy, threshold=0.5)
        yield _Asked(name, rows, wanted, held[rows].astype(np.float64), share)


def _value(asked: _Asked) -> float:
    return float(asked.metric(count_scores(asked.labels, asked.scores)))


def _on_draws(asked: _Asked, people: Resamples) -> np.ndarray:
    metric = {asked.name: asked.metric}
    return bootstrap_values(metric, asked.labels, asked.scores, people.of(asked.rows))[asked.name]
