import json

import numpy as np
import pytest

from cad_jax.evaluation.figures import evaluate_table
from cad_jax.evaluation.score_table import ScoreTable
from data_pipelines.records.atomic import write_json

FIGURES = (
    "auc", "average_precision", "equal_error_rate", "accuracy", "balanced_accuracy",
    "tpr_at_fpr_1", "tpr_at_fpr_10", "calibration_error",
)  # fmt: skip


@pytest.fixture
def report(table):
    return evaluate_table(table, threshold=0.5, draws=200)


def test_coverage_counts_what_was_left_out(report):
    assert report["coverage"] == {
        "clips": 9,
        "scored": 8,
        "unlabelled": 1,
        "reasons": {"no face": 1},
    }


def test_overall_by_hand(report):
    """Real 0.1, 0.3, 0.7; fake 0.9, 0.6, 0.8, 0.2, 0.4: 11 of 15 pairs are in order."""
    fused = report["overall"]["p_fake"]
    assert (fused["clips"], fused["fakes"], fused["clusters"]) == (8, 5, 5)
    np.testing.assert_allclose(fused["auc"], 11 / 15)
    np.testing.assert_allclose(fused["accuracy"], 5 / 8)
    np.testing.assert_allclose(fused["balanced_accuracy"], (3 / 5 + 2 / 3) / 2)
    low, high = fused["auc_interval"]
    assert 0 <= low < 11 / 15 < high <= 1


def test_every_figure_has_an_interval(report):
    fused = report["overall"]["p_fake"]
    for name in FIGURES:
        low, high = fused[f"{name}_interval"]
        assert 0 <= low <= high <= 1, name
        assert low < high, name
    assert {name for name in fused if name.endswith("_interval")} == {
        f"{name}_interval" for name in FIGURES
    }


def test_intervals_are_of_the_clips_drawn_again(table):
    """The chosen threshold and the people count: the accuracy of whole people, drawn anew."""
    report = evaluate_table(table, threshold=0.65, draws=50, seed=3)["overall"]["p_fake"]
    known = table.select(table.label >= 0)
    people = np.unique(table.cluster)  # all of the table: every head and group shares the draws
    rng = np.random.default_rng(3)
    values = []
    for _ in range(50):
        drawn = people[rng.integers(len(people), size=len(people))]
        clips = np.concatenate([np.flatnonzero(known.cluster == person) for person in drawn])
        values.append(np.mean((known.p_fake >= 0.65)[clips] == known.label[clips]))
    want = np.quantile(values, [0.025, 0.975])
    np.testing.assert_allclose(report["accuracy_interval"], want, rtol=0, atol=1e-12)


def test_heads_are_held_against_their_own_labels(report):
    overall = report["overall"]
    assert {name: (head["clips"], head["fakes"]) for name, head in overall.items()} == {
        "p_fake": (8, 5),
        "p_video": (8, 3),
        "p_audio": (6, 2),
        "p_mismatch": (4, 2),
    }
    assert overall["p_audio"]["auc"] == overall["p_mismatch"]["auc"] == 1.0
    assert overall["p_mismatch"]["threshold"] == 0.5


def test_groups_by_hand(report):
    quadrants, kinds = report["quadrants"], report["kinds"]
    assert quadrants["FVRA"]["p_fake"]["auc"] == 1.0
    assert quadrants["RVRA out of sync"]["p_fake"]["auc"] == 0.5  # 0.2 between 0.1 and 0.3
    assert list(quadrants["FVRA"]) == ["p_fake", "p_video"]
    assert kinds["a: none / none, out of sync"]["p_mismatch"]["auc"] == 1.0
    assert kinds["b: swap / -"]["p_fake"]["auc"] == 0.0  # 0.4 below 0.7
    assert report["datasets"]["b"]["p_audio"]["auc"] is None


def test_one_forged_identity_has_no_interval(report):
    """Resampling the genuine clips alone would say how sure one is of them only."""
    assert report["kinds"]["a: swap / none"]["p_fake"]["auc"] == 1.0
    kind = report["kinds"]["a: swap / none"]["p_fake"]
    assert all(kind[f"{name}_interval"] == [None, None] for name in FIGURES)
    assert report["overall"]["p_video"]["auc_interval"] != [None, None]


def test_offsets_within_one_frame_by_hand(columns):
    """Two clips in sync, found at 0 and 120 ms; two delayed by 320 and -350, found at 280, 0."""
    columns["best_offset_ms"][[0, 1, 4, 5]] = 0.0, 120.0, 280.0, 0.0
    columns["sync_delay_ms"][5] = -350.0
    sync = evaluate_table(ScoreTable(**columns), threshold=0.5, draws=200)["sync"]
    assert (sync["in_sync"]["clips"], sync["in_sync"]["within_one_frame"]) == (2, 0.5)
    np.testing.assert_allclose(sync["in_sync"]["chance"], 3 / 31)  # -40, 0, 40 of -600 ... 600
    assert sync["in_sync"]["within_one_frame_interval"] == [None, None]  # both of one identity
    assert (sync["delayed"]["clips"], sync["delayed"]["within_one_frame"]) == (2, 0.5)
    np.testing.assert_allclose(sync["delayed"]["chance"], (3 + 2) / 2 / 31)  # -360, -320
    assert sync["delayed"]["within_one_frame_interval"] == [0.0, 1.0]


def test_a_group_of_one_class_is_null_not_an_error(table, tmp_path):
    report = evaluate_table(table.select(table.label == 1), threshold=0.5, draws=20)
    fused = report["overall"]["p_fake"]
    assert fused["auc"] is None
    assert fused["auc_interval"] == [None, None]
    assert fused["accuracy"] == 3 / 5
    assert fused["accuracy_interval"] != [None, None]
    write_json(report, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == report


def test_no_clips_at_all(table):
    report = evaluate_table(table.select(np.zeros(len(table), bool)), threshold=0.5)
    assert report["overall"]["p_fake"]["clips"] == 0
    assert report["kinds"] == report["quadrants"] == {}
    assert report["sync"]["in_sync"]["chance"] is None


def test_the_same_table_gives_the_same_report(table, report):
    shuffled = table.select(np.random.default_rng(0).permutation(len(table)))
    again = evaluate_table(shuffled, threshold=0.5, draws=200)
    for name, head in again["overall"].items():
        np.testing.assert_allclose(head["auc"], report["overall"][name]["auc"])
    assert evaluate_table(table, threshold=0.5, draws=200) == report


def test_without_a_threshold_what_needs_none_is_still_there(table):
    """A validation split of one class has no best threshold."""
    report = evaluate_table(table, threshold=float("nan"), draws=20)
    fused = report["overall"]["p_fake"]
    assert report["threshold"] is fused["balanced_accuracy"] is None
    assert fused["auc"] is not None
