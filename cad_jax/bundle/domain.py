"""How far a window lies from those that the detector was trained on.

Picture, sound, and both together are one Gaussian each. Knows nothing of models, files or verdicts.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

WITHIN = 0.95  # the share of validation windows that is known
DIRECTIONS = 100  # that are told apart; of the others, all vary alike
_LEAST = 1e-3  # deviation of scaled features, so that none is divided by 0

Features = Float[np.ndarray, "b d"]


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussian:
    """What some features look like in training.

    Attributes:
        mean: [k] float32.
        scale: [k] float32, of each feature; infinite for one that never varies, and says nothing.
        directions: [k r] float32, orthonormal: along which scaled features vary most.
        deviations: [r + 1] float32: along each, and along every other; in units in which the
            `WITHIN` quantile of validation lies at a distance of 1.
    """

    mean: Float[np.ndarray, " k"]
    scale: Float[np.ndarray, " k"]
    directions: Float[np.ndarray, "k r"]
    deviations: Float[np.ndarray, " r1"]

    def distance(self, features: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        """Mahalanobis distance, float64; nan where a feature is."""
        scaled = (features.astype(np.float64) - self.mean) / self.scale
        along = scaled @ self.directions
        others = np.maximum(np.sum(scaled**2, axis=1) - np.sum(along**2, axis=1), 0)
        squares = np.sum((along / self.deviations[:-1]) ** 2, axis=1)
        return np.sqrt(squares + others / self.deviations[-1] ** 2)


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """What the detector knows.

    Attributes:
        video, audio: of either modality's features.
        both: of the two joined: a picture and a sound that each are known may not belong together.
    """

    video: Gaussian
    audio: Gaussian
    both: Gaussian

    def distance(self, features: Features) -> Float[np.ndarray, " b"]:
        """How strange each window is, by all that it has; what is beyond 1 is not known.

        Args:
            features: of `run.judging.described_scores`; nan where a modality is missing.

        Returns:
            float64; nan where there is no feature at all.

        Raises:
            ValueError: more or fewer features than this domain knows.
        """
        seen, known = len(self.video.mean), len(self.both.mean)
        if features.shape[1] != known:
            raise ValueError(f"{features.shape[1]} features; this domain knows {known}")
        video, audio = np.split(features, [seen], axis=1)
        alone = np.fmax(self.video.distance(video), self.audio.distance(audio))
        together = self.both.distance(features)
        return np.where(np.isnan(together), alone, together)


def fit_domain(
    training: Float[np.ndarray, "n d"], validation: Float[np.ndarray, "v d"], seen: int
) -> Domain:
    """The domain of a training split, its limit by a validation split that nothing was fitted on.

    Args:
        training, validation: features of windows; at least one each.
        seen: how many features are the picture's; they come first.

    References:
        Lee et al., A simple unified framework for detecting out-of-distribution samples and
        adversarial attacks, 2018 (the distance; here of spectra, and one Gaussian, not one a
        class).
    """
    video, audio, both = slice(seen), slice(seen, None), slice(None)
    return Domain(
        *(fit_gaussian(training[:, of], validation[:, of]) for of in (video, audio, both))
    )


def fit_gaussian(
    training: Float[np.ndarray, "n k"], validation: Float[np.ndarray, "v k"]
) -> Gaussian:
    """Mean and shrunken covariance of the rows without nan.

    Without any row all is nan, and so is every distance.

    References:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices,
        2004 (the shrinkage); Moghaddam and Pentland, Probabilistic visual learning for object
        representation, 1997 (few directions, and one variance for the rest).
    """
    from sklearn.covariance import ledoit_wolf

    rows = training[np.isfinite(training).all(axis=1)].astype(np.float64)
    k = rows.shape[1]
    r = min(DIRECTIONS, k - 1)
    if not len(rows):
        missing = [np.full(shape, np.nan, np.float32) for shape in (k, k, (k, r), r + 1)]
        return Gaussian(*missing)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 0, spread, np.inf)
    covariance, _ = ledoit_wolf((rows - mean) / scale, assume_centered=True)
    variances, vectors = (x[..., ::-1] for x in np.linalg.eigh(covariance))
    variances = np.append(variances[:r], np.mean(variances[r:]))
    deviations = np.sqrt(np.maximum(variances, _LEAST**2))
    arrays = (mean, scale, vectors[:, :r], deviations)
    found = Gaussian(*(x.astype(np.float32) for x in arrays))
    distances = found.distance(validation)
    known = distances[np.isfinite(distances)]
    limit = np.quantile(known, WITHIN) if len(known) else 0.0
    return dataclasses.replace(found, deviations=found.deviations * np.float32(limit or 1.0))
