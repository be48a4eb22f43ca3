import pytest

from data_pipelines.benchmarks import dfdc
from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource


@pytest.fixture
def tree(make_tree):
    return make_tree("dfdc")


def test_parts_come_in_the_order_of_their_numbers(tree):
    parts = dict.fromkeys(clip.key.split("/")[0] for clip in dfdc.clips(tree.root))
    assert list(parts) == ["dfdc_train_part_2", "dfdc_train_part_10", "test"]


def test_a_forgery_goes_with_its_original_in_another_part(tree):
    pair = [clip.key for clip in dfdc.clips(tree.root) if clip.pair_id == "wynotylpnm"]
    assert {key.split("/")[0] for key in pair} == {"dfdc_train_part_2", "dfdc_train_part_10"}


def test_the_largest_of_several_faces_is_followed_and_their_number_recorded(prepared_tree):
    source = TFRecordSource(prepared_tree("dfdc").directory, "train")
    faces = {clip.clip.provenance["source"]: clip.clip.provenance for clip in source}
    two, one = (faces[f"dfdc_train_part_2/{name}.mp4"] for name in ("wynotylpnm", "owxbbpjpch"))
    assert (two["faces"], one["faces"]) == ("2", "1")
    assert abs(float(two["face_px"]) / float(one["face_px"]) - 1) < 0.1


def test_labels_may_be_words_in_the_test_list(tree):
    plain = dfdc.clips(tree.root)
    file = tree.root / "test" / "labels.csv"
    text = file.read_text().replace(",1", ",FAKE").replace(",0", ",REAL").replace("\n", "\r\n")
    file.write_bytes(text.encode())
    assert dfdc.clips(tree.root) == plain


def test_parts_or_the_test_set_alone_are_read(tree):
    (tree.root / "test").rename(tree.root / "held back")
    assert {clip.split for clip in dfdc.clips(tree.root)} == {"train"}
    (tree.root / "held back").rename(tree.root / "test")
    for part in tree.root.glob("dfdc_train_part_*"):
        part.rename(tree.root / f"old {part.name}")
    assert {clip.split for clip in dfdc.clips(tree.root)} == {"test"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "dfdc_train_part_2/metadata.json",
            '{"a.mp4": {"label": "FAK"}}',
            "metadata.json, a.mp4: label is 'FAK'; did you mean 'FAKE'",
        ),
        ("dfdc_train_part_2/metadata.json", '{"a.mp4": 1}', "a.mp4: no field 'label'"),
        ("dfdc_train_part_2/metadata.json", "[]", "holds no JSON dict but a list"),
        ("dfdc_train_part_2/metadata.json", '{"a.mp4": {"la', "metadata.json is not JSON"),
        ("test/labels.csv", "filename,label\na.mp4,2\n", "line 2: label is '2'"),
        ("test/labels.csv", "name,label\na.mp4,1\n", "no column 'filename'; it has: name, label"),
    ],
)
def test_a_wrong_list_is_one_line(tree, file, content, message):
    (tree.root / file).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        dfdc.clips(tree.root)
    assert "\n" not in str(caught.value)


def test_a_part_without_metadata_is_one_line(tree):
    (tree.root / "dfdc_train_part_10" / "metadata.json").unlink()
    with pytest.raises(UserError, match=r"no .*part_10/metadata\.json; expected dfdc_train_part"):
        dfdc.clips(tree.root)
