import collections

import pytest

from data_pipelines.benchmarks import fakeavceleb
from data_pipelines.errors import UserError

LAST = "FakeAVCeleb/RealVideo-RealAudio/African/men/id00076"


@pytest.fixture
def tree(make_tree):
    return make_tree("fakeavceleb")


@pytest.fixture
def edit(tree):
    """Changes the list's text, or its bytes, and reads the clips."""
    file = tree.root / "meta_data.csv"

    def read(change):
        content = change(file.read_text())
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return fakeavceleb.clips(tree.root)

    return read


def test_spreadsheets_line_ends_and_byte_order_mark(tree, edit):
    plain = fakeavceleb.clips(tree.root)
    assert edit(lambda text: text.replace("\n", "\r\n").encode("utf-8-sig")) == plain


def test_the_folder_column_has_no_name_or_the_one_pandas_gives(tree, edit):
    plain = fakeavceleb.clips(tree.root)
    assert edit(lambda text: text.replace(",path,\n", ",path,Unnamed: 9\n", 1)) == plain


def test_a_trailing_comma_in_the_rows_does_not_matter(tree, edit):
    plain = fakeavceleb.clips(tree.root)
    head, rows = (tree.root / "meta_data.csv").read_text().split("\n", 1)
    assert edit(lambda text: head + "\n" + rows.replace("\n", ",\n")) == plain


def test_race_folders_may_be_written_in_three_ways(tree):
    on_disk = {clip.path.relative_to(tree.root).parts[1] for clip in fakeavceleb.clips(tree.root)}
    assert {"Asian (East)", "Asian_East", "Asian-East"} <= on_disk
    keys = collections.Counter(clip.key.split("/")[1] for clip in fakeavceleb.clips(tree.root))
    assert keys == {"African": 5, "Asian (East)": 3, "Caucasian (European)": 1}


def test_a_forged_clip_may_have_the_name_of_a_genuine_one(tree):
    same = [clip for clip in fakeavceleb.clips(tree.root) if clip.path.name == "00109.mp4"]
    assert [clip.method_video for clip in same] == ["none", "faceswap"]
    assert len({clip.key for clip in same}) == 2


def test_targets_that_are_no_people_are_kept_as_provenance(tree):
    targets = {clip.path.name: clip.provenance["target1"] for clip in fakeavceleb.clips(tree.root)}
    assert targets["00109_fake.mp4"] == "fake.mp4"
    assert targets["_a1-B2_c3D4_3_id00601_wavtolip.mp4"] == "3"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",rtvc,", ",rtcv,", r"line 3: method is 'rtcv'; did you mean 'rtvc'\?"),
        (",fsgan,", ",stylegan3,", "line 9: method is 'stylegan3'; "),
        (LAST, LAST.replace("African", "Afrika"), "line 2: race is 'afrika'; did you mean"),
        (LAST, LAST.replace("RealAudio", "TrueAudio"), "line 2: type is 'RealVideo-TrueAudio'"),
        (LAST, "id00076", "line 2: the last column is 'id00076', no <type>/<race>"),
        (LAST, LAST + ",more", "line 2: more fields than columns"),
        ("method", "how", "no column 'method'; it has: source, target1"),
        ("id00076,id00701,-,", "id00076,id00702,-,", "two entries for 'FakeVideo-RealAudio/Afr"),
    ],
)
def test_a_wrong_row_is_one_line_that_names_row_and_value(edit, old, new, message):
    with pytest.raises(UserError, match=message) as caught:
        edit(lambda text: text.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_a_list_that_is_no_text(edit):
    with pytest.raises(UserError, match=r"meta_data\.csv is not UTF-8 text"):
        edit(lambda text: text.replace("id00701", "idé").encode("latin-1"))
