import json

import pytest

from data_pipelines.benchmarks import lavdf
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("lavdf")


@pytest.fixture
def entries(tree):
    return json.loads((tree.root / "metadata.min.json").read_text())


def test_forged_stretches_are_kept(tree):
    kept = {clip.key: clip.provenance["fake_periods"] for clip in lavdf.clips(tree.root)}
    assert kept["train/000003.mp4"] == "[[0.2, 0.5], [3.0, 3.4]]"
    assert kept["train/000001.mp4"] == "[]"
    forged = {clip.key: (clip.forged_video, clip.forged_audio) for clip in lavdf.clips(tree.root)}
    assert forged["train/000003.mp4"] == (((0.2, 0.5), (3.0, 3.4)),) * 2
    assert forged["train/000001.mp4"] == (None, None)


def test_the_full_metadata_are_read_as_well(tree):
    plain = lavdf.clips(tree.root)
    (tree.root / "metadata.min.json").rename(tree.root / "metadata.json")
    assert lavdf.clips(tree.root) == plain


def test_a_clip_listed_twice_counts_once_unless_the_entries_differ(tree, entries):
    plain = lavdf.clips(tree.root)
    file = tree.root / "metadata.min.json"
    file.write_text(json.dumps([*entries, entries[0]]))
    assert lavdf.clips(tree.root) == plain
    file.write_text(json.dumps([*entries, {**entries[0], "modify_audio": True}]))
    with pytest.raises(UserError, match=r"lavdf: two entries for 'train/000001\.mp4' differ"):
        lavdf.clips(tree.root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "deve"}, "entry 3: split is 'deve'; did you mean 'dev'"),
        ({"split": None}, "entry 3: split is None"),
        ({"modify_video": "no"}, "entry 3: no field 'modify_video' with a bool"),
        ({"file": 4}, "entry 3: no field 'file' with a str"),
        ({"fake_periods": [1.2]}, r"entry 3: fake_periods is \[1\.2\], no list of \[start, end\]"),
        ({"fake_periods": [[2, 1]]}, "entry 3: fake_periods is .*, no list of"),
    ],
)
def test_a_wrong_entry_is_one_line(tree, entries, change, message):
    entries[3] |= change
    (tree.root / "metadata.min.json").write_text(json.dumps(entries))
    with pytest.raises(UserError, match=message):
        lavdf.clips(tree.root)


def test_an_entry_that_is_no_object_is_one_line(tree):
    (tree.root / "metadata.min.json").write_text('["train/000001.mp4"]')
    with pytest.raises(UserError, match=r"entry 0: 'train/000001\.mp4' is no object"):
        lavdf.clips(tree.root)
