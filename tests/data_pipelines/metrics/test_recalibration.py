import math

import numpy as np
import pytest
from scipy import special

from data_pipelines.metrics.calibration import expected_calibration_error
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.recalibration import (
    HOTTEST,
    apply_temperature,
    fit_conformal,
    fit_isotonic,
    fit_temperature,
)


def overconfident(n, seed, factor=3.0):
    """Probabilities whose logits are `factor` times what they ought to be."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal(n)
    labels = (rng.random(n) < special.expit(logits)).astype(np.int64)
    return labels, special.expit(factor * logits)


def test_the_temperature_is_found():
    labels, probabilities = overconfident(50_000, 0)
    temperature = fit_temperature(labels, probabilities)
    np.testing.assert_allclose(temperature, 3.0, rtol=0.05)
    before, after = (
        expected_calibration_error(count_scores(labels, p))
        for p in (probabilities, apply_temperature(probabilities, temperature))
    )
    assert before > 0.1
    assert after < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_no_other_temperature_is_more_likely(seed):
    labels, probabilities = overconfident(200, seed)
    found = fit_temperature(labels, probabilities)

    def loss(temperature):
        p = apply_temperature(probabilities, temperature)
        return -np.mean(np.log(np.where(labels == 1, p, 1 - p)))

    logits = special.logit(probabilities)
    slope = np.mean((special.expit(logits / found) - labels) * logits)
    assert abs(slope) < 1e-12
    assert loss(found) < min(loss(found * 1.01), loss(found / 1.01))


def test_temperatures_have_ends():
    scores = np.array([0.1, 0.4, 0.6, 0.9])
    assert fit_temperature(np.array([0, 0, 1, 1]), scores) == 1 / HOTTEST  # separable
    assert fit_temperature(np.array([1, 1, 0, 0]), scores) == HOTTEST  # the wrong way round
    assert fit_temperature(np.array([0, 1]), np.array([0.5, 0.5])) == HOTTEST  # nothing said
    assert math.isnan(fit_temperature(np.zeros(0, int), np.zeros(0)))
    assert np.isfinite(apply_temperature(np.array([0.0, 1.0]), 0.01)).all()


def test_isotonic_by_hand():
    """0.2 and 0.4 are in the wrong order and share their mean; equal scores are one point."""
    labels, scores = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.4, 0.8, 0.8])
    found = fit_isotonic(labels, scores)
    np.testing.assert_allclose(found.shares, [0, 0.5, 0.5, 1])
    np.testing.assert_allclose(found.apply(np.array([0.0, 0.3, 0.6, 0.9])), [0, 0.5, 0.75, 1])
    with pytest.raises(ValueError, match="validation clips"):
        fit_isotonic(labels[:0], scores[:0])


def test_conformal_sets_are_those_of_the_p_values():
    """The definition: a label stays where more than `miss` of its own class are as strange."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = np.clip(np.round(rng.normal(0.3 + 0.4 * labels, 0.25), 2), 0, 1)
    new = np.round(rng.random(300), 2)
    for miss in (0.05, 0.1, 0.3):
        sets = fit_conformal(labels, scores, miss).apply(new)
        fake, real = scores[labels == 1], scores[labels == 0]
        p_fake = (1 + (fake <= new[:, None]).sum(axis=1)) / (len(fake) + 1)
        p_real = (1 + (real >= new[:, None]).sum(axis=1)) / (len(real) + 1)
        np.testing.assert_array_equal(sets.fake, p_fake > miss)
        np.testing.assert_array_equal(sets.real, p_real > miss)


def test_conformal_sets_keep_their_promise():
    """Over 300 validation sets 90 % of the fakes and of the reals are held, and little more."""
    held = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, 260)
        scores = special.expit(rng.standard_normal(260) + labels)
        sets = fit_conformal(labels[:60], scores[:60]).apply(scores[60:])
        fake = labels[60:] == 1
        held.append([sets.fake[fake].mean(), sets.real[~fake].mean()])
    assert ((np.mean(held, axis=0) > 0.89) & (np.mean(held, axis=0) < 0.94)).all()


def test_a_class_of_too_few_is_never_ruled_out():
    """Of eight fakes none is strange enough: 1 / 9 is more than a tenth."""
    labels, scores = np.repeat([0, 1], [50, 8]), np.r_[np.linspace(0, 0.4, 50), np.full(8, 0.9)]
    sets = fit_conformal(labels, scores).apply(np.array([0.0, 0.5, 1.0]))
    assert sets.fake.tolist() == [True, True, True]
    assert sets.real.tolist() == [True, False, False]
    nobody = fit_conformal(labels[:0], scores[:0]).apply(scores)
    assert (nobody.fake & nobody.real).all()
