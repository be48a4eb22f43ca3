"""Shortcut probes: can a shallow statistic tell forged clips from genuine ones?

A probe that can (AUC well above 0.5) has found what a detector would learn instead of the forgery.
Works on any prepared data set; numpy only.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from data_pipelines.audit.clip_statistics import Features, clip_features
from data_pipelines.audit.comparisons import ClipFacts, facts_of
from data_pipelines.metrics import ranking
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.logistic import fit_logistic
from data_pipelines.records.clip import FAKE, REAL, ClipRecord

WARNING = 0.6  # a probe's AUC above this belongs in the report

_FOLDS = 5
_RIDGE = 1.0  # of the logistic regression, on standardised features


class AuditRow(NamedTuple):
    """What the audit keeps of a clip: `probe.statistic` -> number, and the facts."""

    features: Features
    facts: ClipFacts


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """How well one probe tells forged from genuine.

    Attributes:
        name: of the probe, or `probe.statistic` for a single statistic.
        auc: 0.5 is what is wanted; below 0.5 points the other way.
        error: standard error of the AUC.
        forged, genuine: numbers of clips.
    """

    name: str
    auc: float
    error: float
    forged: int
    genuine: int

    @property
    def suspicious(self) -> bool:
        """Outside 0.5 +- 0.1, and by more than two standard errors from 0.5."""
        distance = abs(self.auc - 0.5)
        return distance > WARNING - 0.5 and distance > 2 * self.error


def audit_rows(clips: Iterable[ClipRecord]) -> list[AuditRow]:
    """Reads clips once; those without a known label are left out.

    The order of the clips is a statistic itself (`order.position`).
    """
    rows = []
    for position, clip in enumerate(clips):
        if clip.label not in (REAL, FAKE):
            continue
        features = clip_features(clip) | {"order.position": float(position)}
        rows.append(AuditRow(features, facts_of(clip)))
    return rows


def single_probes(rows: Sequence[AuditRow]) -> list[ProbeResult]:
    """One result a statistic, over the clips that have it."""
    results = []
    for name in names_of(rows):
        _, values, labels = columns(rows, [name])
        results.append(probe_result(name, values[:, 0], labels))
    return results


def joint_probes(rows: Sequence[AuditRow]) -> list[ProbeResult]:
    """One result a probe: a logistic regression on its statistics, cross-validated by group."""
    names = names_of(rows)
    results = []
    for probe in sorted({name.split(".")[0] for name in names}):
        statistics = [name for name in names if name.split(".")[0] == probe]
        chosen, values, labels = columns(rows, statistics)
        scores = cross_validated_scores(values, labels, [row.facts.group for row in chosen])
        results.append(probe_result(probe, scores, labels))
    return results


def auc(scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float:
    """Area under the ROC curve; 0.5 where a class is empty: a probe without evidence."""
    value = float(ranking.auc(count_scores(labels.astype(np.int32), scores)))
    return 0.5 if np.isnan(value) else value


def auc_error(value: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC.

    References:
        Hanley, McNeil, The meaning and use of the area under a ROC curve, 1982.
    """
    if not positives or not negatives:
        return 0.5
    both_above = value / (2 - value)
    both_below = 2 * value**2 / (1 + value)
    variance = (
        value * (1 - value)
        + (positives - 1) * (both_above - value**2)
        + (negatives - 1) * (both_below - value**2)
    ) / (positives * negatives)
    return float(np.sqrt(max(variance, 0.0)))


def cross_validated_scores(
    values: Float[np.ndarray, "n f"], labels: Bool[np.ndarray, " n"], groups: Sequence[str]
) -> Float64[np.ndarray, " n"]:
    """Scores of each clip by a logistic regression that never saw its group, as ranks in (0, 1).

    Ranks within each fold: a fold rich in one class leaves less of it to train on, so the folds'
    raw scores are offset against their labels.

    Args:
        values: statistics of the clips.
        labels: True for forged.
        groups: clips of one group are held out together.
    """
    scores = np.zeros(len(values))
    for test in group_folds(groups):
        scores[test] = _ranks(fit_and_score(values[~test], labels[~test], values[test]))
    return scores


def group_folds(groups: Sequence[str]) -> Iterator[Bool[np.ndarray, " n"]]:
    """Which clips are held out in each fold; those of a group together."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    fold = np.array([numbers[group] for group in groups]) % _FOLDS
    for held_out in range(_FOLDS):
        test = fold == held_out
        if test.any() and (~test).any():
            yield test


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Places of the scores as shares of their number, 0.5/n to 1 - 0.5/n; ties share one."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    places = np.cumsum(counts) - (counts - 1) / 2
    return (places[inverse] - 0.5) / len(scores)


def fit_and_score(
    values: Float[np.ndarray, "n f"],
    labels: Bool[np.ndarray, " n"],
    unseen: Float[np.ndarray, "m f"],
) -> Float64[np.ndarray, " m"]:
    """Log-odds of unseen clips by a logistic regression, class-balanced, standardised values."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-9
    share = np.clip(labels.mean(), 1e-3, 1 - 1e-3)
    balanced = np.where(labels, 0.5 / share, 0.5 / (1 - share))
    weights = fit_logistic((values - mean) / spread, labels, _RIDGE, balanced)
    return np.clip((unseen - mean) / spread, -5, 5) @ weights[1:] + weights[0]


def names_of(rows: Sequence[AuditRow]) -> list[str]:
    """All statistics that any clip has, sorted."""
    return sorted({name for row in rows for name in row.features})


def columns(
    rows: Sequence[AuditRow], names: Sequence[str]
) -> tuple[list[AuditRow], Float64[np.ndarray, "n f"], Bool[np.ndarray, " n"]]:
    """The clips that have all these statistics, their values, and whether they are forged.

    A codec, or another kind of file, that is another's than the clip's is 0, not missing.
    """
    absent = {name: 0.0 if "=" in name else None for name in names}
    found = [(row, [row.features.get(name, absent[name]) for name in names]) for row in rows]
    found = [(row, values) for row, values in found if None not in values]
    chosen = [row for row, _ in found]
    values = np.array([values for _, values in found], np.float64).reshape(len(found), len(names))
    return chosen, values, np.array([row.facts.label == FAKE for row in chosen], bool)


def probe_result(
    name: str, scores: Float[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]
) -> ProbeResult:
    """The AUC of scores, with its error; labels are True for forged."""
    value = auc(scores, labels)
    forged, genuine = int(labels.sum()), int((~labels).sum())
    return ProbeResult(name, value, auc_error(value, forged, genuine), forged, genuine)
