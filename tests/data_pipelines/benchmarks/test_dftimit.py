import logging

import pytest

from data_pipelines.benchmarks import dftimit
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("dftimit")


def test_without_vidtimit_there_are_forgeries_only_and_a_warning(tree, caplog):
    with caplog.at_level(logging.WARNING):
        clips = dftimit.clips(tree.root)
    assert {clip.label_video for clip in clips} == {1}
    assert "give the originals with --option vidtimit=DIR" in caplog.text
    assert "no AUC" in caplog.text


def test_both_qualities_of_a_sentence_and_its_original_are_one_pair(tree):
    clips = dftimit.clips(tree.root, **tree.options)
    pair = [clip for clip in clips if clip.pair_id == "fadg0/sa1"]
    assert [clip.method_video for clip in pair] == ["faceswap-gan-hq", "faceswap-gan-lq", "none"]


def test_both_people_of_a_pair_name_each_other(tree):
    clips = {clip.key: clip.source_ids for clip in dftimit.clips(tree.root)}
    assert clips["higher_quality/fadg0/sa1-video-fram1.avi"] == ("fadg0", "fram1")
    assert clips["higher_quality/fram1/sa1-video-fadg0.avi"] == ("fram1", "fadg0")


def test_one_quality_alone_is_read(tree):
    (tree.root / "lower_quality").rename(tree.root / "elsewhere")
    clips = dftimit.clips(tree.root)
    assert {clip.provenance["quality"] for clip in clips} == {"higher_quality"}


def test_a_name_that_says_nothing_is_one_line(tree):
    (tree.root / "lower_quality" / "fadg0" / "sa1.avi").touch()
    with pytest.raises(UserError, match=r"sa1\.avi is not named <sentence>-video-<donor>\.avi"):
        dftimit.clips(tree.root)


def test_a_missing_vidtimit_is_one_line(tree, tmp_path):
    with pytest.raises(UserError, match=r"no .*nowhere; expected VidTIMIT's <subject>/video/"):
        dftimit.clips(tree.root, vidtimit=str(tmp_path / "nowhere"))
