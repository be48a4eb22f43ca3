import collections
import dataclasses

import pytest

from data_pipelines.errors import UserError
from data_pipelines.splits.file import make_split
from data_pipelines.splits.schemes import SCHEMES, SplitOptions, default_scheme, find_scheme

OPTIONS = SplitOptions()


def sides(scheme, sources, **options):
    return SCHEMES[scheme](sources, dataclasses.replace(OPTIONS, **options)).sides


def swaps(clip, people=100):
    """FakeAVCeleb in small: of each of ten groups, every person with the next one's face."""
    found = []
    for i in range(people):
        facts = {"race": f"race{i % 5}", "gender": "men" if i % 10 < 5 else "women"}
        found.append(clip(f"real{i}", f"id{i}", label=0, **facts))
        found += [
            clip(f"fake{i}.{n}", f"id{i};id{(i + 10 * n) % people}", label=1, **facts)
            for n in (1, 2)
        ]
    return found


def identities_of(assignment, sources, side, first_only=False):
    return {
        name
        for source in sources
        if assignment.get(source.key) == side
        for name in source.source_ids[: 1 if first_only else None]
    }


def test_official_is_what_the_data_set_says(clip):
    sources = [clip("a", split="train"), clip("b", split="val"), clip("c", split="test")]
    found = SCHEMES["official"](sources, OPTIONS)
    assert found.sides == {"a": "train", "b": "val", "c": "test"}
    assert (found.dropped, found.notes) == ({}, ())
    only_train = [clip("a", split="train")]
    assert sides("official", only_train) == {"a": "train"}


def test_official_needs_a_split_for_every_clip(clip):
    with pytest.raises(UserError, match=r"1 of 2 clips have no official split, e\.g\. 'b'"):
        SCHEMES["official"]([clip("a", split="train"), clip("b")], OPTIONS)


def test_a_missing_validation_is_carved_by_component_and_said(clip):
    train = [clip(f"c{i}", f"id{i // 4}", split="train", label=i % 2) for i in range(200)]
    test = [clip(f"t{i}", f"id{i}", split="test") for i in range(20)]
    found = SCHEMES["official"](train + test, OPTIONS)
    assert all(found.sides[source.key] == "test" for source in test)
    val = [source for source in train if found.sides[source.key] == "val"]
    assert 16 <= len(val) <= 24
    trained = identities_of(found.sides, train, "train")
    assert trained.isdisjoint(identities_of(found.sides, train, "val"))
    assert found.notes == (
        f"no official validation: {len(val)} of 200 training clips became it (nobody in it is "
        "trained on)",
    )


def test_where_donors_connect_all_it_is_carved_by_first_identity_and_said(clip):
    train = [dataclasses.replace(source, split="train") for source in swaps(clip)]
    train = [dataclasses.replace(s, source_ids=(*s.source_ids, "voice")) for s in train]
    found = SCHEMES["official"]([*train, clip("t", split="test")], OPTIONS)
    val = identities_of(found.sides, train, "val", first_only=True)
    assert len(val) == 10
    assert val.isdisjoint(identities_of(found.sides, train, "train", first_only=True))
    assert "by first identity" in found.notes[0]


def test_hashed_follows_identities_pairs_and_stated_splits(clip):
    sources = [
        clip("a", "x;y"), clip("b", "y", pair="p"), clip("c", pair="p"),
        clip("d", "z", split="test"), clip("e", "z"),
    ]  # fmt: skip
    found = sides("hashed", sources)
    assert found["a"] == found["b"] == found["c"]
    assert found["d"] == found["e"] == "test"


def test_source_disjoint_keeps_first_identities_apart_in_every_stratum(clip):
    sources = swaps(clip)
    found = SCHEMES["source_disjoint"](sources, OPTIONS)
    first = {
        side: identities_of(found.sides, sources, side, True) for side in ("train", "val", "test")
    }
    assert {side: len(names) for side, names in first.items()} == {
        "train": 62,
        "val": 7,
        "test": 31,
    }
    strata = collections.Counter(
        (source.provenance["race"], source.provenance["gender"])
        for source in sources
        if source.source_ids[0] in first["test"] and source.key.startswith("real")
    )
    assert len(strata) == 10
    assert set(strata.values()) <= {3, 4}
    everybody = identities_of(found.sides, sources, "train")
    leaking = [
        source
        for source in sources
        if found.sides[source.key] == "test" and everybody.intersection(source.source_ids)
    ]
    assert found.notes[0].startswith(
        f"{len(leaking)} of 93 test clips share a person with a training"
    )


def test_folds_test_everybody_once(clip):
    sources = swaps(clip)
    tested = [
        identities_of(sides("kfold", sources, fold=n), sources, "test", True) for n in range(5)
    ]
    assert sorted(map(len, tested)) == [20] * 5
    assert len(set.union(*tested)) == 100
    validated = identities_of(sides("kfold", sources, fold=0), sources, "val", True)
    assert validated == tested[1]
    by_component = sides("kfold", sources, by="component")
    people = {s: identities_of(by_component, sources, s) for s in ("train", "val", "test")}
    assert people["train"].isdisjoint(people["val"] | people["test"])


def test_disjoint_says_what_it_dropped_and_why(clip):
    sources = swaps(clip) + [clip(f"b{i}", f"id{i};id{i + 1}", label=1) for i in range(9)]
    found = SCHEMES["disjoint"](sources, OPTIONS)
    people = {s: identities_of(found.sides, sources, s) for s in ("train", "val", "test")}
    assert all(people.values())
    assert people["train"].isdisjoint(people["val"] | people["test"])
    assert people["val"].isdisjoint(people["test"])
    assert found.dropped
    assert set(found.dropped) == {s.key for s in sources} - set(found.sides)
    assert set(found.dropped.values()) <= {
        f"its people are in {pair}" for pair in ("train and val", "train and test", "val and test")
    }
    assert found.notes[0].startswith(f"{len(found.dropped)} of 309 clips dropped")


@pytest.mark.parametrize("scheme", ["hashed", "source_disjoint", "kfold", "disjoint"])
def test_neither_order_nor_day_matters_but_the_seed_does(clip, scheme):
    sources = swaps(clip)
    there = sides(scheme, sources)
    assert sides(scheme, sources[::-1]) == there
    assert (sides(scheme, sources, seed=1) != there) == (scheme != "hashed")


def test_the_default_is_official_where_all_have_a_split(clip):
    assert default_scheme([clip("a", split="train")]) == "official"
    assert default_scheme([clip("a", split="train"), clip("b")]) == "hashed"


def test_bad_choices_are_one_line():
    with pytest.raises(
        UserError, match="no split scheme called 'disjont'; did you mean 'disjoint'"
    ):
        find_scheme("disjont")
    with pytest.raises(UserError, match="fold 5 of 5"):
        SplitOptions(fold=5)
    with pytest.raises(UserError, match="three positive numbers that add up to 1"):
        SplitOptions(shares=(0.5, 0.5, 0.5))


def test_ethnicity_is_by_race(clip):
    races = ["African", "Asian (East)", "Asian (South)", "Caucasian (American)"]
    sources = [clip(race, race=race) for race in [*races, "Caucasian (European)"]]
    want = ["val", "train", "train", "train", "test"]
    assert list(sides("ethnicity", sources).values()) == want
    with pytest.raises(UserError, match=r"1 of 6 clips are of no race .* 'x'"):
        sides("ethnicity", [*sources, clip("x")])


def test_ethnicity_tells_who_is_shared(clip):
    sources = [
        clip("a", "one;two", race="Asian (East)"),
        clip("b", "two", race="Caucasian (European)"),
        clip("c", "three", race="Caucasian (European)"),
    ]
    (note,) = SCHEMES["ethnicity"](sources, OPTIONS).notes
    assert note.startswith("1 of 2 test clips share a person")


def test_a_set_that_is_only_tested_on(clip):
    stated = [clip("a", split="train"), clip("b", split="test"), clip("c")]
    found = SCHEMES["test_only"](stated, OPTIONS)
    assert found.sides == {"b": "test"}
    assert set(found.dropped) == {"a", "c"}
    assert sides("test_only", [clip("a"), clip("b")]) == {"a": "test", "b": "test"}
    with pytest.raises(UserError, match="states train, but no test"):
        sides("test_only", stated[:1])


def test_a_method_that_is_left_out_is_only_tested_on(clip):
    methods = ["none", "wav2lip", "faceswap-wav2lip", "faceswap"]
    sources = [
        dataclasses.replace(clip(f"{method} {i}", f"id{i}"), method_video=method)
        for i in range(50)
        for method in methods
    ]
    whole = make_split(sources, "source_disjoint", OPTIONS)
    found = make_split(sources, "source_disjoint", SplitOptions(leave_out="wav2lip"))
    assert found.name == f"{whole.name} leave_out=wav2lip"
    for key, side in whole.sides.items():
        if "wav2lip" in key and side != "test":
            assert "only tested on" in found.dropped[key]
        else:
            assert found.sides[key] == side
    assert len(found.sides) + len(found.dropped) == len(sources)
    with pytest.raises(UserError, match="no clip is forged by 'wav2lp'; did you mean 'wav2lip'"):
        make_split(sources, "source_disjoint", SplitOptions(leave_out="wav2lp"))
