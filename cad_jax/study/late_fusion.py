"""Late fusion of the model's own heads: what the fused verdict has to beat.

A head that says nothing, for want of its modality, counts as undecided: it moves no rule.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy import special

from cad_jax.evaluation.score_table import ScoreTable
from data_pipelines.metrics.logistic import fit_logistic
from data_pipelines.metrics.recalibration import logits

HEADS = ("p_video", "p_audio", "p_mismatch")
_RIDGE = 1e-3  # a clip; of the weights: heads that never err leave them finite

Rule = Callable[[ScoreTable], Float[np.ndarray, " n"]]


def late_maximum(table: ScoreTable) -> Float[np.ndarray, " n"]:
    """The head that is surest of a forgery."""
    return np.nan_to_num(_heads(table), nan=0.0).max(axis=1)


def late_noisy_or(table: ScoreTable) -> Float[np.ndarray, " n"]:
    """That any head is right, if they err independently: 1 - prod(1 - p)."""
    return 1 - np.prod(1 - np.nan_to_num(_heads(table), nan=0.0), axis=1)


def fit_late_logistic(validation: ScoreTable) -> Rule:
    """A logistic regression on the heads' logits.

    Args:
        validation: the clips that its weights are fitted on; those of unknown label are left out.
    """
    known = validation.select(validation.labelled)
    bias, *weights = fit_logistic(_features(known), known.label, ridge=_RIDGE * max(len(known), 1))
    return lambda table: special.expit(bias + _features(table) @ np.array(weights))


def late_fusion(name: str, validation: ScoreTable) -> Callable[[ScoreTable], ScoreTable]:
    """What puts a late fusion of clips in the place of their fused verdict.

    Args:
        name: `late-maximum`, `late-noisy-or` or `late-logistic`.
        validation: scores of the same run, for a rule that has to be fitted.
    """
    rules: dict[str, Callable[[], Rule]] = {
        "late-maximum": lambda: late_maximum,
        "late-noisy-or": lambda: late_noisy_or,
        "late-logistic": lambda: fit_late_logistic(validation),
    }
    rule = rules[name]()

    def fuse(table: ScoreTable) -> ScoreTable:
        fused = np.where(table.reason == "", rule(table), np.nan)
        return dataclasses.replace(table, p_fake=fused)

    return fuse


def _heads(table: ScoreTable) -> Float[np.ndarray, "n 3"]:
    return np.stack([getattr(table, head) for head in HEADS], axis=1)


def _features(table: ScoreTable) -> Float[np.ndarray, "n 3"]:
    return np.nan_to_num(logits(_heads(table)), nan=0.0)
