import json

import numpy as np
import pytest

from cad_jax.evaluation.report import evaluate_table, render, write_report


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
    overall = report["overall"]
    assert (overall["clips"], overall["fakes"], overall["clusters"]) == (8, 5, 5)
    np.testing.assert_allclose(overall["auc"], 11 / 15)
    np.testing.assert_allclose(overall["accuracy"], 5 / 8)
    np.testing.assert_allclose(overall["balanced_accuracy"], (3 / 5 + 2 / 3) / 2)
    low, high = overall["auc_interval"]
    assert 0 <= low < 11 / 15 < high <= 1


def test_heads_are_held_against_their_own_labels(report):
    heads = report["heads"]
    assert {name: (head["clips"], head["fakes"]) for name, head in heads.items()} == {
        "video": (8, 3),
        "audio": (6, 2),
        "mismatch": (4, 2),
    }
    assert heads["audio"]["auc"] == heads["mismatch"]["auc"] == 1.0
    assert heads["mismatch"]["threshold"] == 0.5


def test_each_quadrant_is_compared_with_genuine_clips(report):
    quadrants = report["quadrants"]
    assert list(quadrants) == ["FVRA", "RVFA", "FVFA", "RVRA out of sync"]
    for quadrant in quadrants.values():
        assert (quadrant["clips"], quadrant["fakes"]) == (3, 1)
    assert quadrants["FVRA"]["auc"] == 1.0
    assert quadrants["RVRA out of sync"]["auc"] == 0.5  # 0.2 between 0.1 and 0.3


def test_methods_are_compared_within_their_data_sets(report):
    """`swap` occurs in both sets, `lips` and `tts` in one, whose real clips are 0.1 and 0.3."""
    methods = report["methods"]
    assert set(methods) == {"video: swap", "video: lips", "audio: tts"}
    assert {name: (m["clips"], m["fakes"]) for name, m in methods.items()} == {
        "video: swap": (5, 2),
        "video: lips": (3, 1),
        "audio: tts": (4, 2),
    }


def test_a_group_of_one_class_is_null_not_an_error(table, tmp_path):
    report = evaluate_table(table.select(table.label == 1), threshold=0.5, draws=20)
    overall = report["overall"]
    assert overall["auc"] is None
    assert overall["auc_interval"] == [None, None]
    assert overall["accuracy"] == 3 / 5
    write_report(report, tmp_path / "metrics.json")
    assert json.loads((tmp_path / "metrics.json").read_text()) == report


def test_no_clips_at_all(table):
    report = evaluate_table(table.select(np.zeros(len(table), bool)), threshold=0.5)
    assert report["overall"]["clips"] == 0
    assert "0 of 0 scored" in render(report)


def test_the_same_table_gives_the_same_report(table, report):
    shuffled = table.select(np.random.default_rng(0).permutation(len(table)))
    again = evaluate_table(shuffled, threshold=0.5, draws=200)
    np.testing.assert_allclose(again["overall"]["auc"], report["overall"]["auc"])
    assert evaluate_table(table, threshold=0.5, draws=200) == report


def test_rendered_table_lines_up(report):
    text = render(report)
    first, reason, header, *rows = text.splitlines()
    assert "8 of 9 scored, 1 without a label" in first
    assert reason == "  not scored: 1 x no face"
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0].split()[:3] == ["overall", "8", "5"]
    assert "0.733" in rows[0]
    assert "nan" not in text
    assert " - " in rows[-1]  # set b: one identity alone is no cluster to resample


def test_without_a_threshold_what_needs_none_is_still_there(table):
    """A validation split of one class has no best threshold."""
    report = evaluate_table(table, threshold=float("nan"), draws=20)
    assert report["threshold"] is report["overall"]["balanced_accuracy"] is None
    assert report["overall"]["auc"] is not None
    assert "threshold of p_fake -" in render(report)
