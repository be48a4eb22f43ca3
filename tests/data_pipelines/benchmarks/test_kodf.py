import pytest

from data_pipelines.benchmarks import kodf


@pytest.fixture
def tree(make_tree):
    return make_tree("kodf")


def test_only_fsgan_may_be_silent(tree):
    silent = {clip.method_video for clip in kodf.clips(tree.root) if not clip.expects_audio}
    assert silent == {"fsgan"}


def test_part_of_the_folders_is_read(tree):
    (tree.root / "fo").rename(tree.root / "later")
    assert "fo" not in {clip.method_video for clip in kodf.clips(tree.root)}


def test_names_that_are_no_text_are_still_read_and_kept_as_text(tree):
    odd = tree.root / "dfl" / "23d3dsdf" / b"\xb1\xe8.mp4".decode("utf-8", "surrogateescape")
    odd.touch()
    (clip,) = (clip for clip in kodf.clips(tree.root) if clip.path == odd)
    assert clip.key == r"dfl/23d3dsdf/\xb1\xe8.mp4"
    assert clip.path.exists()
