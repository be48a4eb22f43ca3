"""Whether two systems that judged the same clips differ, and what many such questions cost.

DeLong and McNemar take clips as independent: where people have several, the paired bootstrap over
people (`bootstrap_p`) is the one to believe, and these stand beside it as the field's custom.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from data_pipelines.metrics.counts import Labels, Scores, check_labelled_scores


class DeLong(NamedTuple):
    """The first AUC less the second, its standard error, and the two-sided p of no difference."""

    difference: float
    standard_error: float
    p: float


class McNemar(NamedTuple):
    """Clips that only the first, and only the second got right; the exact two-sided p."""

    first_only: int
    second_only: int
    p: float


def delong_test(labels: Labels, first: Scores, second: Scores) -> DeLong:
    """Compares two correlated AUCs in O(n log n); nan with fewer than two clips of a class.

    Two systems of no variance at all, such as two that are perfect, have p = 1 where they agree,
    else nan.

    Args:
        labels: of n clips.
        first, second: what two systems say of them.

    Raises:
        ValueError: see `check_labelled_scores`.

    References:
        DeLong et al., Biometrics 44, 1988; by ranks: Sun and Xu, IEEE Signal Processing Letters 21,
        2014.
    """
    for scores in (first, second):
        check_labelled_scores(labels, scores)
    if min(np.sum(labels == 1), np.sum(labels == 0)) < 2:
        return DeLong(np.nan, np.nan, np.nan)
    parts = zip(_placements(labels, first), _placements(labels, second), strict=True)
    of_fakes, of_reals = (one - other for one, other in parts)
    difference = float(of_fakes.mean())
    variance = of_fakes.var(ddof=1) / len(of_fakes) + of_reals.var(ddof=1) / len(of_reals)
    error = float(np.sqrt(variance))
    if not error:
        return DeLong(difference, error, np.nan if difference else 1.0)
    return DeLong(difference, error, float(2 * stats.norm.sf(abs(difference) / error)))


def mcnemar_test(
    labels: Labels, first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"]
) -> McNemar:
    """Compares the answers of two systems: of those clips that one alone got right, is it half?

    Args:
        labels: of n clips.
        first, second: which clips each system calls fake.

    References:
        McNemar, Psychometrika 12, 1947; exact by the binomial distribution.
    """
    right, other = first == (labels == 1), second == (labels == 1)
    first_only, second_only = int((right & ~other).sum()), int((other & ~right).sum())
    both = first_only + second_only
    p = float(stats.binomtest(first_only, both).pvalue) if both else 1.0
    return McNemar(first_only, second_only, p)


def holm(p: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """The p values of k questions, so that no true `nothing there` is rejected, 95 % of the time.

    Args:
        p: of each question; nan was no question, and stays nan.

    References:
        Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    adjusted = np.full(len(p), np.nan)
    asked = np.flatnonzero(np.isfinite(p))
    order = asked[np.argsort(p[asked], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def _placements(
    labels: Labels, scores: Scores
) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " r"]]:
    """For each fake the share of reals below it, for each real the share of fakes above it."""
    ranks = stats.rankdata(scores)
    fake, real = labels == 1, labels == 0
    of_fakes = (ranks[fake] - stats.rankdata(scores[fake])) / real.sum()
    of_reals = 1 - (ranks[real] - stats.rankdata(scores[real])) / fake.sum()
    return of_fakes, of_reals
