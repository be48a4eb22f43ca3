"""Logistic regression with a ridge: how probes of a set and late fusions of scores are fitted."""

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import special

_STEPS, _SETTLED = 100, 1e-10
_RIDGE_OF_BIAS = 1e-6  # where all labels are the same, it stays finite


def fit_logistic(
    values: Float[np.ndarray, "n f"],
    labels: Integer[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    ridge: float,
    importance: Float[np.ndarray, " n"] | None = None,
) -> Float[np.ndarray, " w"]:
    """The bias, then the f weights of the least penalised loss, by Newton's method.

    Args:
        values: of n clips; none may be missing.
        labels: 1 or True for fake.
        ridge: of the weights: ridge / 2 * |weights|^2 is added to the clips' summed loss.
        importance: of each clip in that sum; 1 by default.

    References:
        Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 4.4.1.
    """
    design = np.concatenate([np.ones((len(values), 1)), values], axis=1)
    share = np.ones(len(values)) if importance is None else importance
    penalty = np.diag([_RIDGE_OF_BIAS] + [ridge] * values.shape[1])

    def loss(weights: np.ndarray) -> float:
        logits = design @ weights
        fit = share @ (np.logaddexp(0, logits) - labels * logits)
        return float(fit + weights @ penalty @ weights / 2)

    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = special.expit(design @ weights)
        gradient = design.T @ (share * (chance - labels)) + penalty @ weights
        curvature = design.T @ (design * (share * chance * (1 - chance))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        while np.abs(step).max() > _SETTLED and loss(weights - step) > loss(weights):
            step /= 2  # the curve flattens beyond: a whole step would overshoot
        weights = weights - step
        if np.abs(step).max() <= _SETTLED:
            break
    return weights
