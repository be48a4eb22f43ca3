"""Which figure chooses a checkpoint."""

import math

import pytest

from cad_jax.run.scoring import mean_auc, validation_scalars

NAN = float("nan")


def test_the_mean_of_data_sets_that_have_both_classes():
    assert mean_auc({"a": 0.9, "b": 0.5, "genuine only": NAN}) == pytest.approx(0.7)
    assert mean_auc({"a": 0.9}) == 0.9
    assert math.isnan(mean_auc({"genuine only": NAN}))


def test_several_data_sets_are_logged_apart():
    assert validation_scalars({"a": 0.9}) == {"validation/auc": 0.9}
    scalars = validation_scalars({"a": 0.9, "b": 0.5})
    assert scalars.pop("validation/auc") == pytest.approx(0.7)
    assert scalars == {"validation/auc/a": 0.9, "validation/auc/b": 0.5}
