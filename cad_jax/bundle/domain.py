"""How far a window lies from what the detector was trained on, in the detector's own features.

Picture, sound and their fusion are each one Gaussian: a window that lacks a modality is held
against the others alone. Knows nothing of models, files or verdicts.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

WITHIN = 0.99  # the share of validation windows that the limit keeps

Features = Float[np.ndarray, "b d"]


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussian:
    """What some features look like in training.

    Attributes:
        mean: [k] float32.
        whitening: [k k] float32: (features - mean) @ whitening has unit covariance in training.
    """

    mean: Float[np.ndarray, " k"]
    whitening: Float[np.ndarray, "k k"]

    def distance(self, features: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Mahalanobis distance over sqrt(k): about 1 in training, whatever k is; nan stays nan."""
        white = (features - self.mean) @ self.whitening
        return np.sqrt(np.mean(white.astype(np.float64) ** 2, axis=1))


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """What the detector knows.

    Attributes:
        parts: name -> Gaussian, in the order in which their features are joined.
        limit: of `distance`: the `WITHIN` quantile of validation windows.
    """

    parts: Mapping[str, Gaussian]
    limit: float

    def distance(self, features: Features) -> Float[np.ndarray, " b"]:
        """How strange each window is: the largest distance among its parts.

        Args:
            features: of `run.scoring.described_scores`; nan where a modality is missing.

        Returns:
            float64; nan where there is no feature at all.
        """
        distances = np.stack(list(self.distances(features).values()))
        return np.fmax.reduce(distances, axis=0)

    def distances(self, features: Features) -> dict[str, Float[np.ndarray, " b"]]:
        """The same of each part; nan where the window lacks it."""
        ends = np.cumsum([len(part.mean) for part in self.parts.values()])
        if features.shape[1] != ends[-1]:
            raise ValueError(f"{features.shape[1]} features; this domain knows {ends[-1]}")
        columns = np.split(features, ends[:-1], axis=1)
        return {
            name: part.distance(x)
            for (name, part), x in zip(self.parts.items(), columns, strict=True)
        }


def fit_domain(
    training: Float[np.ndarray, "n d"],
    validation: Float[np.ndarray, "v d"],
    sizes: Mapping[str, int],
) -> Domain:
    """The domain of a training split, its limit by a validation split that nothing was fitted on.

    Args:
        training, validation: features of windows; at least one each.
        sizes: how many features belong to each part, in their order.

    References:
        Lee et al., A simple unified framework for detecting out-of-distribution samples and
        adversarial attacks, 2018 (the distance); one Gaussian here, not one a class.
    """
    columns = np.split(training, np.cumsum(list(sizes.values()))[:-1], axis=1)
    parts = {name: fit_gaussian(x) for name, x in zip(sizes, columns, strict=True)}
    unlimited = Domain(parts, np.inf)
    limit = np.quantile(unlimited.distance(validation), WITHIN)
    return dataclasses.replace(unlimited, limit=float(limit))


def fit_gaussian(features: Float[np.ndarray, "n k"]) -> Gaussian:
    """Mean and shrunk covariance of the rows without nan.

    Directions in which nothing varies count for nothing; without any row all is nan, and so is
    every distance.

    References:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices,
        2004 (the shrinkage towards a multiple of the identity).
    """
    rows = features[np.isfinite(features).all(axis=1)]
    n, k = rows.shape
    if not n:
        return Gaussian(np.full(k, np.nan, np.float32), np.full((k, k), np.nan, np.float32))
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    covariance = centred.T @ centred / n
    level = np.trace(covariance) / k
    spread = np.sum(covariance**2) - k * level**2  # squared distance to level * identity
    noise = (np.mean(np.sum(centred**2, axis=1) ** 2) - np.sum(covariance**2)) / n
    shrinkage = min(noise / spread, 1.0) if spread > 0 else 1.0
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * level * np.eye(k))
    known = values > 0
    scale = np.where(known, 1 / np.sqrt(np.where(known, values, 1.0)), 0.0)
    return Gaussian(mean.astype(np.float32), (vectors * scale).astype(np.float32))
