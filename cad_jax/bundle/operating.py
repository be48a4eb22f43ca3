"""How a detector's answers are to be read: temperatures and thresholds.

Everything is fitted on validation clips. Knows nothing of models or files.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.recalibration import apply_temperature, fit_temperature, logits
from data_pipelines.metrics.thresholds import tail_slope, threshold_at_fpr

RATES = (0.01, 0.05, 0.1)  # of genuine clips that are called forged


class Labelled(NamedTuple):
    """What a head said of validation clips.

    Attributes:
        labels: 1 where there is what the head should find, 0 where not.
        scores: its probabilities.
    """

    labels: Integer[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Operating:
    """How the probabilities of p_fake, p_video, p_audio and p_mismatch are to be read, by head.

    A head that validation could not judge is left out.

    Attributes:
        temperatures: head -> T of `metrics.recalibration.apply_temperature`.
        thresholds: head -> pairs of (false positive rate, calibrated probability): from there on
            at most this share of the genuine validation clips would be called forged. Rates of
            which these are too few to tell are left out.
        tails: head with thresholds -> slope of `metrics.thresholds.tail_slope`, by which the lowest
            rate goes on falling above its probability's logit.
        genuine: head -> how many genuine validation clips its thresholds rest on.
    """

    temperatures: dict[str, float]
    thresholds: dict[str, tuple[tuple[float, float], ...]]
    tails: dict[str, float]
    genuine: dict[str, int]

    def calibrated(
        self, head: str, probabilities: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """A head's probabilities as they are to be read; nan stays nan.

        Raises:
            KeyError: validation could not judge this head.
        """
        return apply_temperature(probabilities, self.temperatures[head])


def fit_operating(validation: Mapping[str, Labelled]) -> Operating:
    """Temperatures and thresholds by head.

    Args:
        validation: head -> what it said; heads that saw one class only are left out.
    """
    heads = {name: of for name, of in validation.items() if {0, 1} <= set(of.labels.tolist())}
    temperatures = {name: fit_temperature(*of) for name, of in heads.items()}
    read = {
        name: Labelled(of.labels, apply_temperature(of.scores, temperatures[name]))
        for name, of in heads.items()
    }
    thresholds = {name: _thresholds(of) for name, of in read.items()}
    return Operating(
        temperatures,
        thresholds,
        {name: _tail(of) for name, of in read.items() if thresholds[name]},
        {name: int(np.sum(of.labels == 0)) for name, of in heads.items()},
    )


def _tail(validation: Labelled) -> float:
    return tail_slope(logits(validation.scores[validation.labels == 0]))


def _thresholds(validation: Labelled) -> tuple[tuple[float, float], ...]:
    counts = count_scores(*validation)
    # A rate below one clip of these could only be promised, not measured.
    measurable = [rate for rate in RATES if rate * counts.reals >= 1]
    pairs = [(rate, threshold_at_fpr(counts, rate)) for rate in measurable]
    return tuple((rate, score) for rate, score in pairs if np.isfinite(score))
