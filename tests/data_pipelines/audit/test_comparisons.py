"""Kinds are compared with their own originals where these are known."""

import numpy as np

from data_pipelines.audit.comparisons import ANY, ClipFacts, comparisons


def facts(*rows):
    return [ClipFacts(label, "person", kind, pair) for label, kind, pair in rows]


def test_a_kind_meets_its_own_twins():
    groups = comparisons(
        facts((0, "real", "a"), (1, "swap", "a"), (0, "real", "b"), (1, "mel", "b"))
    )
    assert list(groups) == [ANY, "mel", "swap"]
    np.testing.assert_array_equal(groups[ANY], [True] * 4)
    np.testing.assert_array_equal(groups["swap"], [True, True, False, False])
    np.testing.assert_array_equal(groups["mel"], [False, False, True, True])


def test_without_a_twin_for_each_it_meets_all_genuine_clips():
    rows = facts((0, "real", "a"), (1, "swap", "a"), (1, "swap", "c"), (0, "real", "b"))
    np.testing.assert_array_equal(comparisons(rows)["swap"], [True] * 4)
    rows = facts((0, "real", ""), (1, "swap", ""), (1, "mel", ""), (0, "real", ""))
    np.testing.assert_array_equal(comparisons(rows)["swap"], [True, True, False, True])
