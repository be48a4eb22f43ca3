import pytest

from data_pipelines.benchmarks import avspeech
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("avspeech")


def test_files_may_be_called_otherwise(tree):
    first = avspeech.clips(tree.root, files="cut/{id}/{start}.mkv")[0]
    assert first.key == "cut/AvWWVOgaMlk/90.000000.mkv"
    assert first.path == tree.root / first.key


def test_the_place_of_the_face_is_kept(tree):
    first = avspeech.clips(tree.root)[0]
    assert first.provenance == {
        "start": "90.000000",
        "end": "93.566667",
        "face_x": "0.586719",
        "face_y": "0.311111",
    }


@pytest.mark.parametrize("files", ["{name}.mp4", "{}.mp4", "{id.mp4"])
def test_other_fields_are_refused(tree, files):
    with pytest.raises(UserError, match=r"its fields are \{split\}, \{id\}, \{start\} and \{end\}"):
        avspeech.clips(tree.root, files=files)


@pytest.mark.parametrize(
    "line", ["a,1.0,2.0,0.5", "a,2.0,1.0,0.5,0.5", "a,one,2.0,0.5,0.5", ",1.0,2.0,0.5,0.5", "text"]
)
def test_a_line_that_is_no_stretch_is_named(tree, line):
    path = tree.root / avspeech.LISTS["test"]
    path.write_text(f"b,1.0,2.0,0.5,0.5\n{line}\n")
    with pytest.raises(UserError) as caught:
        avspeech.clips(tree.root)
    expected = f"{path}, line 2: {line!r} is no `YouTube id, start, end, x, y`"
    assert str(caught.value) == expected
