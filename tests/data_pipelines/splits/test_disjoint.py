"""Nobody is on two sides, and hardly more clips are dropped than must be."""

import itertools
import random

import pytest

from data_pipelines.splits.disjoint import separate

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def shared_people(sources, sides):
    on = {}
    for source in sources:
        for name in source.source_ids:
            if source.key in sides:
                on.setdefault(name, set()).add(sides[source.key])
    return [name for name, where in on.items() if len(where) > 1]


def faces(clip, people, fakes, seed):
    """One genuine clip of each person and `fakes` swaps among those of one neighbourhood."""
    rng = random.Random(seed)
    found = [clip(f"real{i}", f"id{i}", label=0) for i in range(people)]
    for number in range(fakes):
        target = rng.randrange(people)
        donor = target // 10 * 10 + rng.randrange(10)
        found.append(clip(f"fake{number}", f"id{target};id{donor}", label=1))
    return found


def test_components_stay_whole_where_their_sizes_allow(clip):
    sources = faces(clip, people=100, fakes=400, seed=0)  # ten neighbourhoods
    found = separate(sources, SHARES, seed=0, drop=True)
    assert found.crossing == {}
    assert found.even
    assert set(found.sides) == {source.key for source in sources}
    assert shared_people(sources, found.sides) == []
    counts = {side: list(found.sides.values()).count(side) for side in SHARES}
    assert abs(counts["test"] - 50) < 25
    assert abs(counts["val"] - 50) < 25


def test_the_bridges_between_neighbourhoods_are_what_is_dropped(clip):
    sources = faces(clip, people=100, fakes=1000, seed=1)
    bridges = [clip(f"bridge{i}", f"id{i};id{(i + 10) % 100}", label=1) for i in range(0, 100, 2)]
    found = separate(sources + bridges, SHARES, seed=0, drop=True)
    assert found.even
    assert shared_people(sources + bridges, found.sides) == []
    assert 0 < len(found.crossing) <= 20  # five of each cut neighbourhood's two sides
    assert all(key.startswith("bridge") for key in found.crossing)


@pytest.mark.parametrize("seed", range(4))
def test_as_few_are_dropped_as_any_division_needs(clip, seed):
    rng = random.Random(seed)
    pairs = [(i, (i + 1) % 8) for i in range(8)] + [rng.sample(range(8), 2) for _ in range(16)]
    sources = [clip(f"c{n}", f"id{a};id{b}", label=1) for n, (a, b) in enumerate(pairs)]
    shares = {"train": 0.6, "test": 0.4}
    found = separate(sources, shares, seed=0, drop=True)
    best = min(
        dropped
        for sides in itertools.product((0, 1), repeat=8)
        for kept in [[sides[a] for a, b in pairs if sides[a] == sides[b]]]
        for dropped in [len(pairs) - len(kept)]
        if all(
            int(share * len(kept) / 2) <= kept.count(side)
            for side, share in enumerate(shares.values())
        )
    )
    assert found.even
    assert len(found.crossing) == best


def test_every_kind_of_clip_gets_its_share(clip):
    """Lone genuine recordings would fill a side for nothing; forgeries among few must be cut."""
    sources = faces(clip, people=10, fakes=300, seed=2)
    sources += [clip(f"lone{i}", label=0) for i in range(60)]
    found = separate(sources, SHARES, seed=0, drop=True)
    assert found.even
    for side in SHARES:
        assert any(key.startswith("fake") for key, s in found.sides.items() if s == side)


def test_nothing_is_torn_unless_asked(clip):
    sources = faces(clip, people=10, fakes=100, seed=3)
    found = separate(sources, SHARES, seed=0, drop=False)
    assert not found.even
    assert found.crossing == {}
    assert len(set(found.sides.values())) == 1


def test_the_order_of_the_clips_does_not_matter(clip):
    sources = faces(clip, people=30, fakes=200, seed=4)
    sources += [clip(f"bridge{i}", f"id{i};id{i + 10}", label=1) for i in range(20)]
    there = separate(sources, SHARES, seed=5, drop=True)
    assert separate(sources[::-1], SHARES, seed=5, drop=True) == there
    assert separate(sources, SHARES, seed=6, drop=True).sides != there.sides
