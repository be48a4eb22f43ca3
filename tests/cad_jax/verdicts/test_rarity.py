"""Scores as rates, and what is left of the highest of many."""

import numpy as np
import pytest

from cad_jax.verdicts.rarity import Rarity, shared
from data_pipelines.metrics.recalibration import logits

MEASURED = ((0.01, 0.9), (0.05, 0.8), (0.1, 0.7))
RARITY = Rarity(MEASURED, 2.0)


@pytest.mark.parametrize(("rate", "score"), MEASURED)
def test_what_was_measured_is_kept(rate, score):
    np.testing.assert_allclose(RARITY.rate(np.array([score])), rate)
    np.testing.assert_allclose(RARITY.score(np.array([rate])), score)


def test_rates_fall_with_scores_and_come_back():
    scores = np.array([0.05, 0.3, 0.7, 0.75, 0.85, 0.9, 0.99, 0.9999])
    rates = RARITY.rate(scores)
    assert (np.diff(rates) < 0).all()
    np.testing.assert_allclose(RARITY.score(rates), scores)
    np.testing.assert_allclose(RARITY.rate(np.array([0.0, 1.0])), [1.0, 0.0], atol=1e-9)


def test_beyond_the_lowest_rate_it_falls_by_the_slope():
    odds = np.exp(logits(np.array([0.9, 0.99])))
    expected = 0.01 * (odds[0] / odds[1]) ** 2
    np.testing.assert_allclose(RARITY.rate(np.array([0.99])), expected)


def test_the_highest_of_many_is_as_rare_as_simulated():
    rng = np.random.default_rng(0)
    # Genuine windows whose tail is as the points and their continuation say.
    drawn = RARITY.score(rng.uniform(size=400_000)).reshape(-1, 20)
    line = 0.9
    reached = RARITY.among(drawn.max(axis=1), 20) >= line
    assert reached.mean() == pytest.approx(0.01, abs=0.003)


def test_one_window_is_what_it_is_and_more_are_worth_less():
    scores = np.array([0.8, 0.95])
    np.testing.assert_allclose(RARITY.among(scores, 1), scores)
    assert (RARITY.among(scores, 10) < scores).all()


def test_many_tests_share_a_rate():
    each = shared(np.array([0.01, 0.1]), 7)
    np.testing.assert_allclose(1 - (1 - each) ** 7, [0.01, 0.1])
    np.testing.assert_allclose(
        RARITY.among(RARITY.score(each), 7), RARITY.score(np.array([0.01, 0.1]))
    )


@pytest.mark.parametrize(("rate", "reaches"), [(0.01, True), (0.001, True), (0.0009, False)])
def test_how_far_validation_reaches(rate, reaches):
    assert RARITY.measured(rate) is reaches


def test_one_measured_rate_is_enough_and_equal_scores_do_no_harm():
    assert Rarity(((0.1, 0.7),), 1.0).rate(np.array([0.7])) == pytest.approx([0.1])
    tied = Rarity(((0.01, 0.8), (0.05, 0.8), (0.1, 0.7)), 1.0)
    assert np.isfinite(tied.rate(np.linspace(0, 1, 50))).all()
    assert (np.diff(tied.rate(np.linspace(0.01, 0.99, 99))) <= 0).all()
