import numpy as np
import pytest

from cad_jax.evaluation.score_table import read_scores, to_videos
from cad_jax.study.lines import table_lines
from cad_jax.study.operating import operating_rows
from cad_jax.study.systems import read_systems


@pytest.fixture
def systems(study, protocol):
    return read_systems([study], protocol)


def same(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def videos(study, seed, split):
    return to_videos(read_scores(study / "full" / f"seed-{seed}" / f"scores-{split}.csv"))


def test_thresholds_and_sets_are_validations(study, systems):
    figures = operating_rows(systems, draws=100)[0].figures
    for seed in (0, 1):
        val, test = (videos(study, seed, split) for split in ("val", "test"))
        real, fake = (val.p_fake[val.label == label] for label in (0, 1))
        # 30 genuine videos: 10 % are three, so the fourth highest stays below the threshold.
        between = (val.p_fake > np.sort(real)[-4]) & (val.p_fake < np.sort(real)[-3])
        next_one = np.min([np.sort(real)[-3], *val.p_fake[between]])
        above = test.p_fake >= (np.sort(real)[-4] + next_one) / 2
        same(figures["FPR, 10% wanted"].values[seed], above[test.label == 0].mean())
        same(figures["TPR, 10% wanted"].values[seed], above[test.label == 1].mean())
        # 31 * 0.9 = 27.9: the 28th smallest probability of the genuine, the 28th largest of forged.
        may_be_real = test.p_fake <= np.sort(real)[27]
        may_be_fake = test.p_fake >= np.sort(fake)[-28]
        same(figures["genuine held"].values[seed], may_be_real[test.label == 0].mean())
        same(figures["forged held"].values[seed], may_be_fake[test.label == 1].mean())
        same(figures["cannot tell"].values[seed], (may_be_real & may_be_fake).mean())


def test_every_figure_has_an_interval_and_a_name(systems):
    rows = operating_rows(systems, draws=100)
    assert [row.variant for row in rows] == ["full", "no-alignment", "late-maximum"]
    for row in rows:
        for name, figure in row.figures.items():
            low, high = figure.interval
            assert 0 <= low <= high <= 1, name
            assert low < high or name == "cannot tell", name  # of which there may be none
    lines = table_lines(rows, systems, markdown=False)
    assert any(line.startswith("variant") and "ECE, isotonic" in line for line in lines)
