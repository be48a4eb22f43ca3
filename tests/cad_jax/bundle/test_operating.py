"""Thresholds on calibrated probabilities, for as small a rate as validation can tell."""

import numpy as np
import pytest

from cad_jax.bundle.operating import Labelled, fit_operating


def labelled(genuine, forged):
    labels = np.array([0] * len(genuine) + [1] * len(forged))
    return Labelled(labels, np.array([*genuine, *forged]))


def test_thresholds_keep_their_rate_on_calibrated_scores():
    genuine, forged = np.linspace(0.02, 0.6, 30), np.linspace(0.3, 0.98, 30)
    operating = fit_operating({"p_fake": labelled(genuine, forged)})
    rates = [rate for rate, _ in operating.thresholds["p_fake"]]
    assert rates == [0.05, 0.1]  # 1 % of 30 clips is less than one
    assert operating.genuine == {"p_fake": 30}
    for rate, threshold in operating.thresholds["p_fake"]:
        called = operating.calibrated("p_fake", genuine) >= threshold
        assert called.sum() == int(rate * 30)


def test_the_temperature_cools_what_is_too_sure():
    # Right three times of four at odds of 99: the odds that were meant are 3.
    scores = Labelled(np.array([1, 1, 1, 0, 0, 0, 0, 1]), np.array([0.99] * 4 + [0.01] * 4))
    operating = fit_operating({"p_video": scores})
    assert operating.temperatures["p_video"] == pytest.approx(np.log(99) / np.log(3))
    calibrated = operating.calibrated("p_video", np.array([0.99, np.nan]))
    assert calibrated == pytest.approx([0.75, np.nan], nan_ok=True)
    assert operating.thresholds["p_video"] == ()


def test_a_head_that_saw_one_class_is_left_out():
    operating = fit_operating({"p_audio": labelled([0.1, 0.2], [])})
    assert operating.temperatures == operating.thresholds == operating.genuine == {}
