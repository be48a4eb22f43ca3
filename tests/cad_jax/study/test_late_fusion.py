import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cad_jax.study.late_fusion import fit_late_logistic, late_fusion, late_maximum, late_noisy_or

NAN = float("nan")


@pytest.fixture
def table(scores):
    found = scores("val", 0, 3.0)
    heads = {"p_video": [0.2, 0.9], "p_audio": [0.5, NAN], "p_mismatch": [0.1, NAN]}
    return dataclasses.replace(
        found.select(np.arange(2)), **{k: np.array(v) for k, v in heads.items()}
    )


def test_rules_by_hand(table):
    """A head that says nothing moves nothing."""
    np.testing.assert_allclose(late_maximum(table), [0.5, 0.9])
    np.testing.assert_allclose(late_noisy_or(table), [1 - 0.8 * 0.5 * 0.9, 0.9])


def test_logistic_is_a_logistic_regression_on_the_logits(scores):
    validation, test = scores("val", 0, 3.0), scores("test", 1, 3.0)

    def logits(table):
        heads = np.stack([table.p_video, table.p_audio, table.p_mismatch], axis=1)
        return np.log(heads / (1 - heads))

    strength = 1 / (1e-3 * len(validation))  # scikit-learn sums the loss, ours is a mean
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=1000)
    theirs.fit(logits(validation), validation.label)
    got = fit_late_logistic(validation)(test)
    np.testing.assert_allclose(got, theirs.predict_proba(logits(test))[:, 1], atol=1e-5)


def test_heads_that_never_err_have_finite_weights(scores):
    validation = scores("val", 0, 3.0)
    sure = dataclasses.replace(validation, p_video=validation.label.astype(float))
    fused = fit_late_logistic(sure)(sure)
    assert np.isfinite(fused).all()
    assert (fused[sure.label == 1].min(), fused[sure.label == 0].max()) > (0.9, 0.1)


def test_a_late_fusion_stands_in_the_fused_verdicts_place(scores):
    table = scores("test", 0, 3.0)
    reason = np.where(np.arange(len(table)) == 3, "no face", "")
    table = dataclasses.replace(table, reason=reason, p_fake=np.where(reason == "", 0.5, np.nan))
    found = late_fusion("late-maximum", table)(table)
    assert np.flatnonzero(np.isnan(found.p_fake)).tolist() == [3]
    np.testing.assert_array_equal(np.delete(found.p_fake, 3), np.delete(late_maximum(table), 3))
    np.testing.assert_array_equal(found.p_video, table.p_video)


def test_without_validation_every_clip_is_undecided(scores):
    table = scores("test", 0, 3.0)
    assert (fit_late_logistic(table.select(np.zeros(len(table), bool)))(table) == 0.5).all()
