import numpy as np

from cad_jax.evaluation import groups
from cad_jax.evaluation.score_table import ScoreTable


def head(table, name):
    return next(head for head in groups.heads(table) if head.name == name)


def sizes(table, found, name="p_fake"):
    one = head(table, name)
    return {g.name: (int(g.rows(one).sum()), int((g.forged & g.rows(one)).sum())) for g in found}


def test_kinds_are_named_by_what_was_done(table):
    assert groups.kind_names(table).tolist() == [
        *["none / none"] * 2,
        "swap / none",
        "none / tts",
        "lips / tts, out of sync",
        "none / none, out of sync",
        "none / -",
        "swap / -",
        "- / -",
    ]


def test_each_kind_is_compared_within_its_data_set(table):
    """Set a has two genuine clips, set b one; unlabelled and genuine clips are of no kind."""
    assert sizes(table, groups.kinds(table)) == {
        "a: lips / tts, out of sync": (3, 1),
        "a: none / none, out of sync": (3, 1),
        "a: none / tts": (3, 1),
        "a: swap / none": (3, 1),
        "b: swap / -": (2, 1),
    }


def test_one_data_set_is_not_named(table):
    only = table.select(table.dataset == "b")
    assert [group.name for group in groups.kinds(only)] == ["swap / -"]


def test_a_head_suits_the_kinds_that_it_can_find(table):
    suited = {
        group.name: [one.name for one in groups.heads(table) if group.suits(one)]
        for group in groups.kinds(table)
    }
    assert suited == {
        "a: lips / tts, out of sync": ["p_fake", "p_video", "p_audio", "p_mismatch"],
        "a: none / none, out of sync": ["p_fake", "p_mismatch"],
        "a: none / tts": ["p_fake", "p_audio"],
        "a: swap / none": ["p_fake", "p_video"],
        "b: swap / -": ["p_fake", "p_video"],
    }


def test_a_kind_with_and_without_a_matching_sound_is_two(columns):
    columns["label_sync"][2] = 0
    columns["method_video"][7], columns["dataset"][:] = "swap", "a"
    columns["method_audio"][7] = "none"
    names = [group.name for group in groups.kinds(ScoreTable(**columns))]
    assert "swap / none" in names
    assert "swap / none, out of sync" in names


def test_one_method_that_made_both_is_named_once(columns):
    columns["method_video"][:] = columns["method_audio"][:] = "dub"
    columns["label_sync"][:], columns["dataset"][:] = -1, "a"
    assert {group.name for group in groups.kinds(ScoreTable(**columns))} == {"dub"}


def test_each_quadrant_is_compared_with_genuine_clips(table):
    assert sizes(table, groups.quadrants(table)) == {
        "FVRA": (3, 1),
        "RVFA": (3, 1),
        "FVFA": (3, 1),
        "RVRA out of sync": (3, 1),
    }


def test_forged_clips_in_which_there_is_nothing_for_a_head_are_left_out(table):
    """Overall, `p_audio` has two forged sounds, and as real ones also those of forged pictures."""
    everything = groups.overall(table)
    audio = head(table, "p_audio")
    assert np.flatnonzero(everything.rows(audio)).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(everything.rows(head(table, "p_mismatch"))).tolist() == [0, 1, 4, 5]
