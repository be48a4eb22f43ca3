"""Plans: disjoint people, twins, balance, and an order that says nothing."""

import collections
import dataclasses

import numpy as np
import pytest

from data_pipelines.audit.probes import auc
from data_pipelines.errors import UserError
from data_pipelines.synthetic.kinds import GENUINE
from data_pipelines.synthetic.plan import num_clips, plan_clip, split_range
from data_pipelines.synthetic.presets import PRESETS, Preset, find_preset


@pytest.fixture(scope="module")
def plans():
    preset = PRESETS["synthetic_tiny"]
    return [plan_clip(preset, 0, index) for index in range(num_clips(preset))]


def test_splits_have_their_people_to_themselves(plans):
    people = collections.defaultdict(set)
    for plan in plans:
        people[plan.split] |= {plan.identity, *plan.pool}
        assert plan.identity in plan.pool
        assert len(plan.pool) >= 2
    everybody = [person for split in people.values() for person in split]
    assert len(people) == 4
    assert len(everybody) == len(set(everybody))


def test_a_take_is_shown_genuine_and_forged_by_the_same_person(plans):
    for one, two in zip(plans[::2], plans[1::2], strict=True):
        genuine, forged = (one, two) if one.kind == GENUINE else (two, one)
        assert genuine.kind == GENUINE
        assert forged.kind != GENUINE
        assert dataclasses.replace(forged, kind=GENUINE) == genuine


def test_held_out_kinds_appear_in_their_split_only(plans):
    for plan in plans:
        if plan.kind != GENUINE:
            assert plan.kind.only_in == ("test_unseen" if plan.split == "test_unseen" else "")


def test_kinds_are_balanced_in_every_split(plans):
    for split in ("train", "test", "test_unseen"):
        counts = collections.Counter(
            plan.kind.name for plan in plans if plan.split == split and plan.modalities == "both"
        )
        counts.pop("real")
        assert min(counts.values()) >= 0.7 * max(counts.values())


def test_some_takes_lack_a_modality(plans):
    shares = collections.Counter(plan.modalities for plan in plans)
    for modalities in ("video", "audio"):
        assert 0.01 < shares[modalities] / len(plans) < 0.1


def test_the_order_says_nothing(plans):
    labels = np.array([plan.kind != GENUINE for plan in plans])
    assert abs(auc(np.arange(len(plans), dtype=float), labels) - 0.5) < 0.02
    assert abs(labels[::2].mean() - 0.5) < 0.05  # neither twin is always first


def test_neural_voices_are_a_set_of_other_people(plans):
    preset = PRESETS["synthetic_tiny_neural"]
    neural = [plan_clip(preset, 0, index) for index in range(num_clips(preset))]
    assert {plan.split for plan in neural} == {"test_neural"}
    counts = collections.Counter(plan.kind.name for plan in neural)
    assert counts == {"real": 60, "neural_copy": 30, "neural_tts": 30}
    largest = max(split_range(other, list(other.takes)[-1]).stop for other in PRESETS.values())
    for plan in neural:
        assert min(plan.take, plan.identity, *plan.pool) > largest
        assert plan.modalities == "both"


def test_split_ranges_tile_the_indices(plans):
    preset = PRESETS["synthetic_tiny"]
    covered = [index for split in preset.takes for index in split_range(preset, split)]
    assert covered == list(range(len(plans)))
    for split in preset.takes:
        assert {plans[index].split for index in split_range(preset, split)} == {split}
    with pytest.raises(ValueError, match="no split 'nowhere'"):
        split_range(preset, "nowhere")


def test_there_is_no_clip_beyond_the_last(preset):
    with pytest.raises(IndexError, match="clips 0 to 25"):
        plan_clip(preset, 0, 26)


def test_another_seed_makes_another_plan(plans):
    preset = PRESETS["synthetic_tiny"]
    others = [plan_clip(preset, 1, index).kind for index in range(100)]
    assert others != [plan.kind for plan in plans[:100]]


def test_presets_are_found_by_name_and_check_themselves():
    assert find_preset("synthetic_tiny").name == "synthetic_tiny"
    with pytest.raises(UserError, match="did you mean 'synthetic_tiny'"):
        find_preset("synthetic_tinny")
    with pytest.raises(ValueError, match="even"):
        Preset("odd", {"train": 1}, frame_size=65)
    with pytest.raises(ValueError, match="seconds"):
        Preset("long", {"train": 1}, seconds=10.0)
