"""What the detector knows, against numbers worked out by hand."""

import numpy as np
import pytest

from cad_jax.bundle.domain import Domain, Gaussian, fit_domain, fit_gaussian

NAN = np.nan


def array(*rows):
    return np.array(rows, np.float32)


def plain(*means):
    """One in which every feature counts alike."""
    k = len(means)
    return Gaussian(array(*means), np.ones(k, np.float32), np.zeros((k, 0), np.float32), array(1))


def test_distance_by_hand():
    # Scaled by 2 and 1; 3 along the first, 0.5 along all others.
    part = Gaussian(array(1, 2), array(2, 1), array([1], [0]), array(3, 0.5))
    distances = part.distance(array([1, 2], [7, 2], [1, 3], [13, 3], [NAN, 2]))
    np.testing.assert_allclose(distances, [0, 1, 2, np.sqrt(8), NAN])


def test_a_window_is_held_against_all_that_it_has():
    domain = Domain(plain(0), plain(0, 0), plain(0, 3, 0))
    features = array([1, 3, 4], [NAN, 3, 4], [2, NAN, NAN], [NAN] * 3)
    np.testing.assert_allclose(domain.distance(features), [np.sqrt(17), 5, 2, NAN])
    with pytest.raises(ValueError, match="4 features; this domain knows 3"):
        domain.distance(array([1, 2, 3, 4]))


def test_a_fit_is_the_mahalanobis_distance_in_units_of_its_limit():
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((4000, 6)) @ rng.standard_normal((6, 6)) + 3).astype(np.float32)
    rows[3, 2] = NAN  # left out
    whole = np.delete(rows, 3, axis=0).astype(np.float64)
    deviation = whole - whole.mean(axis=0)
    inverse = np.linalg.inv(np.cov(whole.T))
    distances = np.sqrt(np.einsum("ij,jk,ik->i", deviation, inverse, deviation))
    found = fit_gaussian(rows, rows).distance(whole.astype(np.float32))
    # With 4,000 rows of 6 features next to nothing is shrunk.
    np.testing.assert_allclose(found, distances / np.quantile(distances, 0.95), rtol=0.02)
    assert np.quantile(found, 0.95) == pytest.approx(1, abs=1e-6)


def test_with_fewer_rows_than_features_strangers_are_told_from_new_ones():
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((30, 300))  # 30 causes, 300 features
    rows = rng.standard_normal((380, 30)) @ mixing + 0.1 * rng.standard_normal((380, 300))
    training, validation, new = np.split(rows.astype(np.float32), [200, 290])
    found = fit_gaussian(training, validation)
    assert np.mean(found.distance(new) > 1) < 0.2
    # Each feature as before, but no longer as one with the others.
    assert np.mean(found.distance(rng.permuted(new, axis=0)) > 1) == 1


def test_what_never_varies_says_nothing_and_what_was_never_there_neither():
    constant = fit_gaussian(array([1, 2], [1, 2], [1, 2]), array([1, 2]))
    assert constant.distance(array([1, 2], [9, 9])).tolist() == [0, 0]
    never = fit_gaussian(array([NAN, NAN], [NAN, NAN]), array([1, 2]))
    assert np.isnan(never.distance(array([1, 2]))).all()


def test_one_in_twenty_of_validation_lies_beyond_with_or_without_sound():
    rng = np.random.default_rng(2)
    training, validation, strangers = (
        rng.normal(0, 1, (count, 5)).astype(np.float32) for count in (1000, 500, 100)
    )
    silent = validation.copy()
    silent[:, 2:] = NAN
    domain = fit_domain(training, validation, 2)
    assert np.sum(domain.distance(validation) > 1) == 25
    assert np.sum(domain.distance(silent) > 1) == 25
    strangers[:, :2] += 4
    assert np.mean(domain.distance(strangers) > 1) > 0.9
