"""Shares of strata, and an order of rows that needs no state."""

import itertools
import pickle

import grain
import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.sampling import (
    ROWS,
    Stratum,
    TrainingOrder,
    derived_seed,
    divided,
    make_strata,
)

UNLABELLED = {"label_video": -1, "label_audio": -1, "method_video": "", "method_audio": ""}
SWAP = {"label_video": 1, "method_video": "swap"}
MEL = {"label_audio": 1, "method_audio": "mel"}


@pytest.fixture
def write_set(write_source, make_clip):
    """A set of clips that differ in labels and methods alone."""

    def write(folder, *changes):
        clips = [make_clip(2, name=f"{folder}{i}", **change) for i, change in enumerate(changes)]
        return write_source(clips, folder=folder)

    return write


@pytest.fixture
def two_sets(write_set):
    """Ten clips (6 genuine, 2 swap, 1 swap with mel, 1 unlabelled) and five (4 genuine, 1 mel)."""
    first = write_set("a", *[{}] * 6, SWAP, SWAP, SWAP | MEL, UNLABELLED)
    return first + write_set("b", *[{}] * 4, MEL)


def strata_of(shares, size=200):
    return [Stratum(0, "", share, np.arange(size) + i * size) for i, share in enumerate(shares)]


def shares(strata):
    return {(stratum.set_number, stratum.kind): stratum.share for stratum in strata}


def test_everything_alike_is_one_stratum(two_sets):
    (stratum,) = make_strata(two_sets)
    assert stratum.share == 1
    np.testing.assert_array_equal(stratum.clips, np.arange(15))


def test_the_mixture_decides_the_shares_of_sets(two_sets):
    strata = make_strata(two_sets, weights=(1.0, 3.0))
    assert shares(strata) == {(0, "all"): 0.25, (1, "all"): 0.75}
    np.testing.assert_array_equal(strata[1].clips, np.arange(10, 15))


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        (
            "class",
            {
                (0, "genuine"): 2 / 3 * 0.45,
                (0, "forged"): 2 / 3 * 0.45,
                (0, "unlabelled"): 2 / 3 * 0.1,
                (1, "genuine"): 1 / 3 * 0.5,
                (1, "forged"): 1 / 3 * 0.5,
            },
        ),
        (
            "method",
            {
                (0, "genuine"): 2 / 3 * 0.45,
                (0, "forged, swap / none"): 2 / 3 * 0.225,
                (0, "forged, swap / mel"): 2 / 3 * 0.225,
                (0, "unlabelled"): 2 / 3 * 0.1,
                (1, "genuine"): 1 / 3 * 0.5,
                (1, "forged, none / mel"): 1 / 3 * 0.5,
            },
        ),
    ],
)
def test_balance_works_within_each_set(two_sets, balance, expected):
    strata = make_strata(two_sets, balance=balance)
    assert shares(strata) == pytest.approx(expected)
    clips = {(stratum.set_number, stratum.kind): stratum.clips.tolist() for stratum in strata}
    assert clips[0, "genuine"] == list(range(6))
    assert clips[0, "unlabelled"] == [9]
    assert sorted(itertools.chain(*clips.values())) == list(range(15))


def test_a_mixture_of_balanced_sets(two_sets):
    strata = make_strata(two_sets, weights=(1.0, 1.0), balance="class")
    assert shares(strata)[1, "forged"] == 0.25  # of one clip
    assert sum(shares(strata).values()) == pytest.approx(1)


def test_strata_are_divided_by_size(two_sets):
    """Of each stratum by what else tells its clips apart."""
    strata = make_strata(two_sets, weights=(1.0, 3.0))
    parts = divided(strata, np.array([2, 0, 2, 2] + [2] * 6 + [0, 0, 1, 0, 2], np.int32))
    assert [part.clips.tolist() for part in parts] == [
        [1], [0, *range(2, 10)], [10, 11, 13], [12], [14]
    ]  # fmt: skip
    assert [part.share for part in parts] == pytest.approx([0.025, 0.225, 0.45, 0.15, 0.15])
    assert [part.set_number for part in parts] == [0, 0, 1, 1, 1]


def test_what_a_set_lacks_the_others_get(write_set):
    genuine = write_set("genuine", {}, {}, {}, UNLABELLED)
    assert shares(make_strata(genuine, balance="class")) == {
        (0, "genuine"): 0.75,
        (0, "unlabelled"): 0.25,
    }
    unknown = write_set("unknown", UNLABELLED, UNLABELLED)
    assert shares(make_strata(unknown, balance="method")) == {(0, "unlabelled"): 1}


def test_a_subset_may_lack_a_set(two_sets):
    part = two_sets.subset(range(10, 15))
    assert shares(make_strata(part, balance="class")) == {(1, "genuine"): 0.5, (1, "forged"): 0.5}


def test_weights_for_other_sets_are_refused(two_sets):
    with pytest.raises(UserError, match=r"3 mixture weights for sets of \[10, 5, 0\] clips"):
        make_strata(two_sets, weights=(1.0, 1.0, 1.0))
    with pytest.raises(UserError, match=r"1 mixture weights for sets of \[10, 5\]"):
        make_strata(two_sets, weights=(1.0,))
    with pytest.raises(UserError, match=r"sets of \[4, 0\]"):
        make_strata(two_sets.subset(range(4)), weights=(1.0, 1.0))


def test_rows_of_balanced_sets(two_sets):
    order = TrainingOrder(make_strata(two_sets, weights=(1.0, 1.0), balance="class"), seed=3)
    drawn = np.array([order[row] for row in range(1000, 1600)])
    labels = two_sets.column("label")[drawn]
    sets = two_sets.sets[drawn]
    assert (sets == 1).sum() == 300
    assert (labels[sets == 1] == 1).sum() == 150
    assert (labels == -1).sum() == pytest.approx(30, abs=1)
    assert (labels[sets == 0] == 0).sum() == pytest.approx(135, abs=1)


@pytest.mark.parametrize(
    "wanted",
    [
        (1.0,),
        (0.7, 0.3),
        (0.5, 0.125, 0.375),
        tuple((np.arange(1, 31) / np.arange(1, 31).sum()).tolist()),
    ],
    ids=len,
)
def test_every_beginning_has_the_stated_shares(wanted):
    order = TrainingOrder(strata_of(wanted), seed=0)
    strata = np.array([order[row] // 200 for row in range(1000)])
    counts = (strata[:, None] == np.arange(len(wanted))).cumsum(axis=0)
    stated = np.arange(1, 1001)[:, None] * np.array(wanted)
    assert np.abs(counts - stated).max() < 1 + np.log(len(wanted))


def test_shares_are_exact_however_long_the_run():
    order = TrainingOrder(strata_of((0.7, 0.3)), seed=0)
    far = 10**15
    strata = np.array([order[row] // 200 for row in range(far, far + 1000)])
    assert (strata == 0).sum() == 700


@pytest.mark.parametrize("wanted", [(0.5, 0.5), (0.8, 0.08, 0.12)])
def test_every_epoch_of_a_stratum_is_another_permutation(wanted):
    strata = strata_of(wanted, size=32)
    order = TrainingOrder(strata, seed=1)
    drawn = np.array([order[row] for row in range(1000)])
    for number in range(len(wanted)):
        mine = drawn[drawn // 32 == number] - 32 * number
        epochs = mine[: len(mine) // 32 * 32].reshape(-1, 32)
        assert len(epochs) > 1
        np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(32), (len(epochs), 1)))
        assert len(np.unique(epochs, axis=0)) == len(epochs)


@pytest.mark.parametrize("size", [1, 3])
def test_few_clips_are_drawn_equally_often(size):
    order = TrainingOrder(strata_of((0.25, 0.75), size=size), seed=1)
    drawn = np.bincount([order[row] for row in range(4 * 33 * 2)])
    np.testing.assert_array_equal(drawn, [66 // size] * size + [198 // size] * size)


def test_strata_are_shuffled_apart():
    """Else a forged clip would come with the genuine one of its original."""
    order = TrainingOrder(strata_of((0.5, 0.5), size=32), seed=1)
    drawn = np.array([order[row] for row in range(64)]) % 32
    assert not np.array_equal(drawn[::2], drawn[1::2])


def test_a_row_needs_no_earlier_one():
    strata = strata_of((0.6, 0.4), size=5)
    order = TrainingOrder(strata, seed=4)
    forward = [order[row] for row in range(50)]
    other = pickle.loads(pickle.dumps(TrainingOrder(strata, seed=4)))
    assert [other[row] for row in reversed(range(50))] == forward[::-1]
    third = [TrainingOrder(strata, seed=5)[row] for row in range(50)]
    assert third != forward
    assert [clip // 5 for clip in third] == [clip // 5 for clip in forward]


@pytest.mark.parametrize("size", [32, 100])
def test_one_stratum_comes_as_from_grain_s_own_pipeline(size):
    """So that figures of earlier versions can be had again."""

    def draw(clip: int, rng: np.random.Generator) -> tuple[int, float]:
        return int(clip), rng.random()

    order = TrainingOrder(strata_of((1.0,), size=size), seed=9)
    ours = grain.MapDataset.source(order).random_map(draw, seed=derived_seed(9, ROWS))
    theirs = grain.MapDataset.range(size).seed(9).shuffle().repeat().random_map(draw)
    assert [ours[row] for row in range(3 * size)] == [theirs[row] for row in range(3 * size)]
