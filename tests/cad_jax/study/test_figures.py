import dataclasses

import numpy as np
import pytest

from cad_jax.evaluation.score_table import read_scores, to_videos
from cad_jax.study.figures import compare, table_rows
from cad_jax.study.lines import comparison_lines, table_lines
from cad_jax.study.systems import read_systems
from data_pipelines.errors import UserError
from data_pipelines.metrics.comparison import delong_test, holm
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.ranking import auc
from data_pipelines.metrics.thresholds import accuracy, best_threshold


def videos(study, variant, seed, split="test"):
    return to_videos(read_scores(study / variant / f"seed-{seed}" / f"scores-{split}.csv"))


def auc_of(table):
    return float(auc(count_scores(table.label, table.p_fake)))


@pytest.fixture
def systems(study, protocol):
    return read_systems([study], protocol)


def test_a_row_is_the_mean_and_the_spread_of_its_seeds(study, systems):
    rows = table_rows(systems, ("auc", "accuracy"), draws=200)
    assert [(row.split, row.group, row.variant) for row in rows] == [
        ("test", "all", name) for name in ("full", "no-alignment", "late-maximum")
    ]
    row = rows[1]
    assert (row.clips, row.people) == (60, 30)
    values = [auc_of(videos(study, "no-alignment", seed)) for seed in (0, 1)]
    figure = row.figures["auc"]
    np.testing.assert_allclose(figure.values, values, rtol=1e-12)
    np.testing.assert_allclose(figure.mean, np.mean(values), rtol=1e-12)
    np.testing.assert_allclose(figure.spread, abs(values[0] - values[1]) / np.sqrt(2), rtol=1e-12)
    low, high = figure.interval
    assert low < figure.mean < high


def test_the_interval_is_over_people_of_the_seeds_mean(study, systems):
    row = table_rows(systems[:1], ("auc",), draws=60)[0]
    runs = [videos(study, "full", seed) for seed in (0, 1)]
    people, rng = np.unique(runs[0].cluster), np.random.default_rng(0)
    values = []
    for _ in range(60):
        drawn = people[rng.integers(len(people), size=len(people))]
        clips = np.concatenate([np.flatnonzero(runs[0].cluster == person) for person in drawn])
        counts = [count_scores(run.label[clips], run.p_fake[clips]) for run in runs]
        values.append(np.mean([float(auc(one)) for one in counts]))
    want = np.quantile(values, [0.025, 0.975])
    np.testing.assert_allclose(row.figures["auc"].interval, want, rtol=0, atol=1e-12)


def test_the_threshold_is_validations(study, systems):
    row = table_rows(systems[:1], ("accuracy",), draws=20)[0]
    for seed, got in enumerate(row.figures["accuracy"].values):
        chosen, test = videos(study, "full", seed, "val"), videos(study, "full", seed)
        threshold = best_threshold(count_scores(chosen.label, chosen.p_fake))
        assert got == float(accuracy(count_scores(test.label, test.p_fake), threshold))


def test_a_difference_is_paired(study, systems):
    full, worse, late = systems
    found = compare(full, [worse, late], ("auc", "accuracy"), draws=200)
    assert [(one.other, one.metric) for one in found] == [
        (name, metric)
        for name in ("no-alignment", "late-maximum")
        for metric in ("auc", "accuracy")
    ]
    one = found[0]
    tables = [[videos(study, name, seed) for name in ("full", "no-alignment")] for seed in (0, 1)]
    differences = [auc_of(first) - auc_of(other) for first, other in tables]
    np.testing.assert_allclose(one.figure.values, differences, rtol=1e-12)
    np.testing.assert_allclose(one.figure.mean, np.mean(differences), rtol=1e-12)
    want = [delong_test(a.label, a.p_fake, b.p_fake).p for a, b in tables]
    np.testing.assert_allclose(one.p_clips, want, rtol=1e-12)
    assert one.p < 0.05
    np.testing.assert_allclose([d.p_holm for d in found], holm(np.array([d.p for d in found])))


def test_groups_share_the_draws(systems):
    """Of one kind of forgery the group is the whole, and so are its figures."""
    whole, kind = (table_rows(systems, ("auc",), by=by, draws=50) for by in ("all", "kinds"))
    assert [row.group for row in kind] == ["swap / none"] * 3
    assert [row.figures for row in kind] == [row.figures for row in whole]


def test_clips_instead_of_videos(study, protocol):
    of_clips = read_systems([study], dataclasses.replace(protocol, unit="clip"))
    assert table_rows(of_clips, ("auc",), draws=20)[0].clips == 120


def test_parts_of_a_study_are_read_together(study, add, tmp_path, protocol):
    add("full", 2, tmp_path / "elsewhere")
    full = read_systems([study, tmp_path / "elsewhere"], protocol)[0]
    assert full.seeds == (0, 1, 2)
    with pytest.raises(UserError, match="full seed 2 is there twice"):
        read_systems([study, tmp_path / "elsewhere", tmp_path / "elsewhere"], protocol)


def test_what_is_not_the_same_is_refused(study, add, inputs, tmp_path, protocol):
    add("full", 2, tmp_path / "other", inputs=inputs | {"split 0": "kfold fold=1"})
    with pytest.raises(
        UserError, match=r"not the same study: .* split 0 was 'nothing', now 'kfold"
    ):
        read_systems([study, tmp_path / "other"], protocol)
    with pytest.raises(UserError, match="no results of 'no-distillation'"):
        read_systems([study], protocol, ("full", "no-distillation"))
    with pytest.raises(UserError, match="run the study first"):
        read_systems([tmp_path / "nowhere"], protocol)


def test_lines_say_what_was_counted(study, systems):
    rows = table_rows(systems, ("auc", "accuracy"), draws=50)
    lines = table_lines(rows, systems, markdown=True)
    assert lines[0].endswith("seeds 0, 1")
    assert "test: 60 of 30 people" in lines
    assert "| variant | AUC | accuracy |" in lines
    figure = rows[0].figures["auc"]
    want = f"| full | {figure.mean:.3f} ± {figure.spread:.3f} ({figure.interval[0]:.3f} to"
    assert any(line.startswith(want) for line in lines)
    plain = comparison_lines(compare(systems[0], systems[1:], ("auc",)), systems, markdown=False)
    assert any(line.startswith("test  no-alignment  AUC     +0.") for line in plain)


def test_other_code_is_told(add, tmp_path, protocol):
    add("full", 0)
    add("full", 1, code="another")
    systems = read_systems([tmp_path / "study"], protocol, ("full",))
    lines = table_lines(table_rows(systems, ("auc",), draws=5), systems, markdown=False)
    assert lines[1] == "made by 2 versions of the code: another, c0de"
