import pytest

from data_pipelines.benchmarks import voxceleb2


@pytest.fixture
def tree(make_tree):
    return make_tree("voxceleb2")


def test_the_sound_is_looked_for_beside_and_else_inside(tree):
    apart = {clip.key: clip.audio_path for clip in voxceleb2.clips(tree.root)}
    lies_apart = "dev/mp4/id00012/2DLq_Kkc1r8/00016.mp4"
    assert apart[lies_apart] == tree.root / "dev/aac/id00012/2DLq_Kkc1r8/00016.m4a"
    assert apart["dev/mp4/id00012/21Uxsk56VDQ/00001.mp4"] is None


def test_one_part_is_enough(tree):
    (tree.root / "dev").rename(tree.root / "later")
    assert {clip.split for clip in voxceleb2.clips(tree.root)} == {"test"}


def test_a_video_outside_of_any_person_is_nobodys(tree):
    (tree.root / "dev" / "mp4" / "stray.mp4").touch()
    (stray,) = (clip for clip in voxceleb2.clips(tree.root) if clip.path.name == "stray.mp4")
    assert stray.source_ids == ()
