import collections

from data_pipelines.splits.components import components, hashed_split, people

PERSONS_IN_VAL = [5, 11]  # of the first twelve; the others train


def test_components_join_whatever_shares_a_name():
    groups = [["d"], ["b", "c"], ["e", "d"], ["a", "c"], ["f"]]
    assert components(groups) == ["d", "a", "d", "a", "f"]


def test_a_long_chain_is_one_component():
    groups = [[f"{i:05d}", f"{i + 1:05d}"] for i in range(5000)]
    assert set(components(groups)) == {"00000"}


def test_hashed_split_has_its_shares_and_never_changes():
    shares = collections.Counter(hashed_split(f"identity {i}") for i in range(10_000))
    assert abs(shares["train"] - 8000) < 150
    assert abs(shares["val"] - 1000) < 120
    assert abs(shares["test"] - 1000) < 120
    # A change of these would move clips between the splits of sets that are already prepared.
    splits = [hashed_split(f"person{i}") for i in range(12)]
    assert splits == ["val" if i in PERSONS_IN_VAL else "train" for i in range(12)]


def test_an_original_belongs_to_the_person_of_most_of_its_clips(clip):
    sources = [
        clip("a", "ann;bob", pair="p"),
        clip("b", "ann", pair="p"),
        clip("c", "bob", pair="p"),
        clip("d", pair="q"),
        clip("e"),
    ]
    assert people(sources) == [
        {"identity ann", "identity bob"},
        {"identity ann"},
        {"identity ann", "identity bob"},
        {"pair q"},
        {"path e"},
    ]
