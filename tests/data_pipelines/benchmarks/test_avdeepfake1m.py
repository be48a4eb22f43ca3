import json

import pytest

from data_pipelines.benchmarks import avdeepfake1m
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("avdeepfake1m")


def test_the_hidden_labels_of_the_test_split_are_unknown(tree):
    test = [clip for clip in avdeepfake1m.clips(tree.root) if clip.split == "test"]
    assert len(test) == 2
    assert {(c.label_video, c.label_audio, c.label_sync, c.method_video) for c in test} == {
        (-1, -1, -1, "")
    }


def test_forged_stretches_are_kept_by_modality(tree):
    clips = {clip.path.name: clip for clip in avdeepfake1m.clips(tree.root) if clip.split != "val"}
    kept = clips["fake_video_fake_audio.mp4"].provenance
    assert kept["visual_fake_segments"] == "[[0.3, 0.6]]"
    assert kept["audio_fake_segments"] == "[[0.3, 0.7]]"
    both = clips["fake_video_fake_audio.mp4"]
    assert (both.forged_video, both.forged_audio) == (((0.3, 0.6),), ((0.3, 0.7),))
    assert clips["real_video_fake_audio.mp4"].provenance["visual_fake_segments"] == "[]"


def test_one_list_alone_is_read(tree):
    (tree.root / "train_metadata.json").unlink()
    assert {clip.split for clip in avdeepfake1m.clips(tree.root)} == {"val", "test"}


def test_a_type_written_with_a_hyphen_is_answered_with_the_nearest(tree):
    file = tree.root / "val_metadata.json"
    entries = json.loads(file.read_text())
    entries[1]["modify_type"] = "both-modified"
    file.write_text(json.dumps(entries))
    with pytest.raises(
        UserError, match="entry 1: modify_type is 'both-modified'; did you mean 'both_modified'"
    ):
        avdeepfake1m.clips(tree.root)


def test_no_metadata_is_one_line(tree):
    for split in ("train", "val"):
        (tree.root / f"{split}_metadata.json").unlink()
    with pytest.raises(UserError, match=r"no .*train_metadata\.json; expected AV-Deepfake1M"):
        avdeepfake1m.clips(tree.root)
