"""How far a window lies from those that the detector was trained on.

Picture and sound are each one Gaussian, and the stranger of the two counts: joined, a familiar
sound would hide a strange picture. Knows nothing of models, files or verdicts.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

WITHIN = 0.95  # the share of validation windows that the limit keeps
_FLOOR = 1e-4  # of the mean variance, added to every direction's

Features = Float[np.ndarray, "b d"]


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussian:
    """What some features look like in training.

    Attributes:
        mean: [k] float32.
        whitening: [k k] float32: (features - mean) @ whitening has the same variance in every
            direction.
    """

    mean: Float[np.ndarray, " k"]
    whitening: Float[np.ndarray, "k k"]

    def distance(self, features: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Mahalanobis distance, in the whitening's unit; nan stays nan."""
        white = (features - self.mean) @ self.whitening
        return np.sqrt(np.sum(white.astype(np.float64) ** 2, axis=1))


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """What the detector knows.

    Attributes:
        parts: name -> Gaussian, in the order in which their features are joined, the one that knows
            most last.
        limit: of `distance`: the `WITHIN` quantile of validation windows.
    """

    parts: Mapping[str, Gaussian]
    limit: float

    def distance(self, features: Features) -> Float[np.ndarray, " b"]:
        """How strange each window is, by the strangest of the modalities that it has.

        Args:
            features: of `run.judging.described_scores`; nan where a modality is missing.

        Returns:
            float64; nan where there is no feature at all.

        Raises:
            ValueError: more or fewer features than this domain knows.
        """
        sizes = [len(part.mean) for part in self.parts.values()]
        if features.shape[1] != sum(sizes):
            raise ValueError(f"{features.shape[1]} features; this domain knows {sum(sizes)}")
        columns = np.split(features, np.cumsum(sizes)[:-1], axis=1)
        parts = zip(self.parts.values(), columns, strict=True)
        return np.fmax.reduce([part.distance(x) for part, x in parts])


def fit_domain(
    training: Float[np.ndarray, "n d"],
    validation: Float[np.ndarray, "v d"],
    sizes: Mapping[str, int],
) -> Domain:
    """The domain of a training split, its limit by a validation split that nothing was fitted on.

    Args:
        training, validation: features of windows; at least one each.
        sizes: how many features belong to each modality, in their order.

    References:
        Lee et al., A simple unified framework for detecting out-of-distribution samples and
        adversarial attacks, 2018 (the distance; here of spectra, and one Gaussian, not one a
        class).
    """
    ends = np.cumsum(list(sizes.values()))[:-1]
    columns = zip(np.split(training, ends, axis=1), np.split(validation, ends, axis=1), strict=True)
    parts = {name: _fit_part(*of) for name, of in zip(sizes, columns, strict=True)}
    unlimited = Domain(parts, np.inf)
    limit = np.quantile(unlimited.distance(validation), WITHIN)
    return dataclasses.replace(unlimited, limit=float(limit))


def fit_gaussian(features: Float[np.ndarray, "n k"]) -> Gaussian:
    """Mean and covariance of the rows without nan.

    Features that never vary count for nothing; without any row all is nan, and so is every
    distance.
    """
    rows = features[np.isfinite(features).all(axis=1)].astype(np.float64)
    n, k = rows.shape
    if not n:
        return Gaussian(np.full(k, np.nan, np.float32), np.full((k, k), np.nan, np.float32))
    centred = rows - rows.mean(axis=0)
    covariance = centred.T @ centred / n
    covariance += _FLOOR * np.trace(covariance) / k * np.eye(k)
    values, vectors = np.linalg.eigh(covariance)
    known = values > 0
    scale = np.where(known, 1 / np.sqrt(np.where(known, values, 1.0)), 0.0)
    return Gaussian(rows.mean(axis=0).astype(np.float32), (vectors * scale).astype(np.float32))


def _fit_part(training: Float[np.ndarray, "n k"], validation: Float[np.ndarray, "v k"]) -> Gaussian:
    """A Gaussian in units of its own `WITHIN` quantile of validation: parts are then comparable."""
    part = fit_gaussian(training)
    distances = part.distance(validation)
    known = distances[np.isfinite(distances)]
    unit = np.quantile(known, WITHIN) if len(known) else 1.0
    return dataclasses.replace(part, whitening=part.whitening / np.float32(unit or 1.0))
