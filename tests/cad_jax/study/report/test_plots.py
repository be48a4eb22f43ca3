"""What curves hold; how they are drawn was looked at."""

import numpy as np
import pytest
from sklearn import metrics

from cad_jax.study.report.plots import GRID, mean_curve, precision_on_grid, roc_on_grid
from cad_jax.study.systems import read_systems
from data_pipelines.metrics.counts import count_scores


@pytest.fixture
def runs(study, protocol):
    return read_systems([study], protocol)[0].splits["test"]


def test_roc_passes_through_every_operating_point(runs):
    table = runs[0].test
    fpr, tpr, _ = metrics.roc_curve(table.label, table.p_fake)
    got = roc_on_grid(count_scores(table.label, table.p_fake))
    for rate, found in zip(GRID, got, strict=True):
        if (at := np.isclose(fpr, rate, rtol=0, atol=1e-12)).any():
            assert found == tpr[at].max()
    assert (got[0], got[-1]) == (tpr[fpr == 0].max(), 1)


def test_precision_is_that_of_the_highest_threshold_with_the_recall(runs):
    table = runs[0].test
    got = precision_on_grid(count_scores(table.label, table.p_fake))
    for recall, found in zip(GRID[1:], got[1:], strict=True):
        for threshold in np.sort(table.p_fake)[::-1]:
            called = table.p_fake >= threshold
            if called[table.label == 1].mean() >= recall:
                break
        assert found == pytest.approx(table.label[called].mean(), abs=1e-12)


def test_a_mean_curve_is_over_seeds(runs):
    each = [mean_curve([run], roc_on_grid) for run in runs]
    np.testing.assert_allclose(mean_curve(runs, roc_on_grid), np.mean(each, axis=0), rtol=1e-15)
    assert (each[0] != each[1]).any()
