import pytest

from data_pipelines.benchmarks import lrs3
from data_pipelines.splits.schemes import SplitOptions, official


@pytest.fixture
def tree(make_tree):
    return make_tree("lrs3")


def test_one_part_is_enough(tree):
    (tree.root / "pretrain").rename(tree.root / "later")
    assert {clip.key.partition("/")[0] for clip in lrs3.clips(tree.root)} == {"trainval", "test"}


def test_a_talk_of_both_training_parts_is_on_one_side(tree):
    for number in range(60):  # more talks, so that some are carved out for validation
        talk = tree.root / "pretrain" / f"talk{number}"
        talk.mkdir()
        (talk / "00001.mp4").touch()
        again = tree.root / "trainval" / f"talk{number}"
        again.mkdir()
        (again / "50001.mp4").touch()
    clips = lrs3.clips(tree.root)
    sides = official(clips, SplitOptions()).sides
    assert set(sides.values()) == {"train", "val", "test"}
    for number in range(60):
        parts = (f"pretrain/talk{number}/00001.mp4", f"trainval/talk{number}/50001.mp4")
        assert sides[parts[0]] == sides[parts[1]] != "test"
