import pytest

from data_pipelines.benchmarks import celebdf
from data_pipelines.errors import UserError


@pytest.fixture
def tree(make_tree):
    return make_tree("celebdf")


@pytest.fixture
def edit(tree):
    file = tree.root / "List_of_testing_videos.txt"

    def read(change):
        file.write_bytes(change(file.read_text()).encode())
        return celebdf.clips(tree.root)

    return read


def test_the_label_comes_from_the_folder_whatever_the_list_means_by_1(tree, edit):
    plain = celebdf.clips(tree.root)
    flipped = str.maketrans("01", "10")

    def flip(text):
        return "".join(line[0].translate(flipped) + line[1:] for line in text.splitlines(True))

    assert edit(flip) == plain


def test_windows_line_ends_a_byte_order_mark_and_a_clip_listed_twice(tree, edit):
    plain = celebdf.clips(tree.root)
    again = "1 YouTube-real/00170.mp4\r\n"
    assert edit(lambda text: "\ufeff" + text.replace("\n", "\r\n") + again) == plain


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 Celeb-reel/id1_0007.mp4", "line 5: folder is 'Celeb-reel'; did you mean 'Celeb-real'"),
        ("YouTube-real/00170.mp4", "line 5: folder is ''"),
        ("0 Celeb-synthesis/id1_0007.mp4", "id1_0007.mp4: not a name that Celeb-synthesis has"),
    ],
)
def test_a_line_that_says_nothing_known_is_one_line(edit, line, message):
    with pytest.raises(UserError, match=message):
        edit(lambda text: text + line + "\n")


def test_a_missing_list_is_one_line(tree):
    (tree.root / "List_of_testing_videos.txt").unlink()
    with pytest.raises(UserError, match=r"no .*List_of_testing_videos\.txt; expected Celeb-DF-v2"):
        celebdf.clips(tree.root)


def test_a_list_without_the_folders_is_one_line(tree):
    for name in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        (tree.root / name).rename(tree.root / f"old {name}")
    with pytest.raises(UserError, match=r"no .*Celeb-real; expected"):
        celebdf.clips(tree.root)
