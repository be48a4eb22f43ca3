"""What makes probabilities mean what they say, and sets of labels that keep a promise.

All is fitted on validation clips and only applied to test clips.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy  # loads `scipy.optimize` when it is first used
from jaxtyping import Bool, Float
from scipy import special

from data_pipelines.metrics.counts import Labels, Scores, check_labelled_scores, count_scores

HOTTEST = 100.0  # temperatures beyond it, or below 1 / HOTTEST, say that scores do not fit at all
_LEAST = 1e-12  # a probability of 0 or 1 has no logit


class Isotonic(NamedTuple):
    """A rising step from probability to share of fakes, linear between its k points.

    Attributes:
        probabilities: [k] ascending.
        shares: [k] of fakes.
    """

    probabilities: Float[np.ndarray, " k"]
    shares: Float[np.ndarray, " k"]

    def apply(self, probabilities: Scores) -> Scores:
        """Calibrated probabilities; beyond the outermost points they stay level."""
        return np.interp(probabilities, self.probabilities, self.shares)


class Conformal(NamedTuple):
    """How unlike its own class a clip may be; see `fit_conformal`.

    Attributes:
        of_fakes: the least probability that a fake may have.
        of_reals: the greatest that a real may have.
    """

    of_fakes: float
    of_reals: float

    def apply(self, probabilities: Scores) -> "LabelSets":
        """What each clip may be."""
        return LabelSets(probabilities >= self.of_fakes, probabilities <= self.of_reals)


class LabelSets(NamedTuple):
    """Labels that are not ruled out: both is `cannot tell`, none is unlike either class.

    Attributes:
        fake, real: [n] whether a clip may be one.
    """

    fake: Bool[np.ndarray, " n"]
    real: Bool[np.ndarray, " n"]


def fit_temperature(labels: Labels, probabilities: Scores) -> float:
    """The T of highest likelihood for sigmoid(logit / T), within 1 / HOTTEST and HOTTEST.

    Raises:
        ValueError: see `check_labelled_scores`.

    References:
        Guo et al., On calibration of modern neural networks, 2017.
    """
    check_labelled_scores(labels, probabilities)
    values = logits(probabilities)

    def slope(inverse: float) -> float:  # of the loss, which is convex in 1 / T
        return float(np.mean((special.expit(inverse * values) - labels) * values))

    ends = 1 / HOTTEST, HOTTEST
    if not len(labels) or slope(ends[0]) >= 0:
        return HOTTEST if len(labels) else math.nan
    if slope(ends[1]) <= 0:
        return 1 / HOTTEST
    return 1 / float(scipy.optimize.brentq(slope, *ends, xtol=1e-14, rtol=1e-14))  # type: ignore[arg-type]


def apply_temperature(probabilities: Scores, temperature: float) -> Scores:
    """sigmoid(logit / T): the order of the clips stays as it is."""
    return special.expit(logits(probabilities) / temperature)


def fit_isotonic(labels: Labels, probabilities: Scores) -> Isotonic:
    """The rising function of least squared error.

    Raises:
        ValueError: see `check_labelled_scores`; no clips.

    References:
        Zadrozny and Elkan, KDD 2002.
    """
    counts = count_scores(labels, probabilities)
    if not len(counts.scores):
        raise ValueError("calibration needs validation clips with a label and a score")
    clips = (counts.fake + counts.real)[::-1]
    fit = scipy.optimize.isotonic_regression(counts.fake[::-1] / clips, weights=clips)
    return Isotonic(counts.scores[::-1], fit.x)


def fit_conformal(labels: Labels, probabilities: Scores, miss: float = 0.1) -> Conformal:
    """Sets of labels that miss the true one in at most a share `miss`, of fakes and of reals each.

    Holds on average over validation sets, for clips that are drawn like them; a class of too few
    validation clips is never ruled out.

    Args:
        labels, probabilities: of validation clips.
        miss: the share of either class whose set may lack its label.

    Raises:
        ValueError: see `check_labelled_scores`.

    References:
        Vovk, Conditional validity of inductive conformal predictors, 2012 (label-conditional).
    """
    check_labelled_scores(labels, probabilities)
    of_fakes = -_quantile(-probabilities[labels == 1], miss)
    return Conformal(of_fakes, _quantile(probabilities[labels == 0], miss))


def _quantile(strangeness: Scores, miss: float) -> float:
    """The ceil((n + 1) (1 - miss))-th smallest value."""
    place = math.ceil(round((len(strangeness) + 1) * (1 - miss), 9))  # 0.9 * 10 is 9, not above
    return float(np.sort(strangeness)[place - 1]) if place <= len(strangeness) else math.inf


def logits(probabilities: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """log(p / (1 - p)); finite where p is 0 or 1."""
    return special.logit(np.clip(probabilities, _LEAST, 1 - _LEAST))
