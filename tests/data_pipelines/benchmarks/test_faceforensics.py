import pytest

from data_pipelines.benchmarks import faceforensics
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("faceforensics")


def test_manipulations_that_share_a_file_name_are_kept_apart(tree):
    same = [clip for clip in faceforensics.clips(tree.root) if clip.path.name == "071_054.mp4"]
    assert [clip.method_video for clip in same] == ["Deepfakes", "FaceShifter"]
    assert len({clip.key for clip in same}) == 2


def test_one_compression_is_read_for_both_classes(tree):
    clips = faceforensics.clips(tree.root, compression="c40")
    assert {clip.path.parts[-3] for clip in clips} == {"c40"}
    assert {clip.label_video for clip in clips} == {0, 1}
    assert {clip.method_video for clip in clips} == {"none", "Face2Face"}


def test_a_level_that_is_not_there_is_one_line_naming_those_that_are(tree):
    with pytest.raises(UserError, match=r"no .*/raw/videos; .*\(there is c23, c40, masks\)"):
        faceforensics.clips(tree.root, compression="raw")


def test_the_lists_may_lie_in_splits(tree):
    plain = faceforensics.clips(tree.root)
    (tree.root / "splits").mkdir()
    for split in ("train", "val", "test"):
        (tree.root / f"{split}.json").rename(tree.root / "splits" / f"{split}.json")
    assert faceforensics.clips(tree.root) == plain


def test_a_missing_list_is_one_line(tree):
    (tree.root / "val.json").unlink()
    with pytest.raises(UserError, match=r"no .*/val\.json; expected FaceForensics"):
        faceforensics.clips(tree.root)


def test_deepfakedetection_alone_needs_no_lists(tree):
    (tree.root / "original_sequences" / "youtube").rename(tree.root / "youtube")
    for name in ("Deepfakes", "FaceShifter"):
        (tree.root / "manipulated_sequences" / name).rename(tree.root / name)
    for split in ("train", "val", "test"):
        (tree.root / f"{split}.json").unlink()
    clips = faceforensics.clips(tree.root)
    assert [clip.label_video for clip in clips] == [0, 0, 1]
    assert {clip.split for clip in clips} == {""}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[["071", "054", "033"]]', r"train\.json: \['071', '054', '033'\] is no pair of video"),
        ("[[71, 54]]", r"train\.json: \[71, 54\] is no pair of video names"),
        ('{"071": "054"}', r"train\.json holds no JSON list but a dict"),
        ('[["071",', r"train\.json is not JSON"),
    ],
)
def test_a_wrong_list_is_one_line(tree, content, message):
    (tree.root / "train.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        faceforensics.clips(tree.root)
    assert "\n" not in str(caught.value)


def test_a_clip_in_two_splits_is_refused(tree):
    (tree.root / "val.json").write_text('[["071", "054"]]')
    with pytest.raises(UserError, match=r"two entries for '.*071\.mp4' differ"):
        faceforensics.clips(tree.root)


def test_an_actors_file_with_another_name_is_one_line(tree):
    folder = tree.root / "manipulated_sequences" / "DeepFakeDetection" / "c23" / "videos"
    (folder / "01__exit_phone_room.mp4").touch()
    with pytest.raises(UserError, match="is not named <target>_<source>__<scene>__<code>"):
        faceforensics.clips(tree.root)
