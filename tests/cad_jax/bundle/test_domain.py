"""What the detector knows, against numbers worked out by hand."""

import numpy as np
import pytest

from cad_jax.bundle.domain import Domain, Gaussian, fit_domain, fit_gaussian

NAN = np.nan


def array(*rows):
    return np.array(rows, np.float32)


def test_distance_by_hand():
    # Standard deviations 2 and 0.5, no correlation: (1, 2) + (4, 1) is 2 of each away.
    part = Gaussian(array(1, 2), array([0.5, 0], [0, 2]))
    distances = part.distance(array([1, 2], [5, 3], [3, 2]))
    assert distances == pytest.approx([0, np.sqrt(8), 1])


def test_the_strangest_modality_that_is_there_counts():
    video, audio = Gaussian(array(0), array([1])), Gaussian(array(0, 0), array([1, 0], [0, 1]))
    domain = Domain({"video": video, "audio": audio}, limit=2.0)
    features = array([1, 3, 4], [6, 3, 4], [NAN, 3, 4], [2, NAN, NAN], [NAN] * 3)
    np.testing.assert_allclose(domain.distance(features), [5, 6, 5, 2, NAN])
    with pytest.raises(ValueError, match="4 features; this domain knows 3"):
        domain.distance(array([1, 2, 3, 4]))


def test_a_fit_is_mahalanobis():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) + 3).astype(np.float32)
    rows[3, 2] = NAN  # left out
    whole = np.delete(rows, 3, axis=0).astype(np.float64)
    covariance = np.cov(whole.T, bias=True)
    covariance += 1e-4 * np.mean(np.diag(covariance)) * np.eye(6)
    deviation = whole - whole.mean(axis=0)
    squares = np.einsum("ij,jk,ik->i", deviation, np.linalg.inv(covariance), deviation)
    found = fit_gaussian(rows).distance(whole.astype(np.float32))
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-3)


def test_what_never_varies_says_nothing_and_what_was_never_there_neither():
    constant = fit_gaussian(array([1, 2], [1, 2], [1, 2]))
    assert constant.distance(array([1, 2], [9, 9])).tolist() == [0, 0]
    never = fit_gaussian(array([NAN, NAN], [NAN, NAN]))
    assert np.isnan(never.distance(array([1, 2]))).all()


def test_one_in_twenty_of_validation_lies_beyond_and_who_is_strange_in_one_modality_does():
    rng = np.random.default_rng(1)
    training, validation, strangers = (
        rng.normal(0, 1, (count, 5)).astype(np.float32) for count in (1000, 500, 100)
    )
    strangers[:, :2] += 4
    validation[:100, 2:] = NAN  # picture alone
    domain = fit_domain(training, validation, {"video": 2, "audio": 3})
    assert 1.0 < domain.limit < 1.3  # of two, the stranger goes further than either
    assert np.sum(domain.distance(validation) > domain.limit) == 25
    assert np.mean(domain.distance(strangers) > domain.limit) > 0.9
