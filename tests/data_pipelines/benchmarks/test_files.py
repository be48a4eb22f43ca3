"""One place decides which files are videos, and says what it passes over."""

import logging
import os
import unicodedata

import pytest

from data_pipelines.benchmarks import celebdf, folder, kodf
from data_pipelines.benchmarks.files import locate, videos_below
from data_pipelines.errors import UserError

STREAM = (b"\x47" + bytes(187)) * 5


@pytest.fixture
def tree(tmp_path):
    def make(*names, content=b"x"):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        return tmp_path

    return make


def names(folder, **options):
    return [path.relative_to(folder).as_posix() for path in videos_below(folder, **options)]


def test_videos_are_found_by_suffix_in_the_order_of_their_paths(tmp_path):
    for name in ("b/z.WEBM", "a.mp4", "notes.txt", "b/y.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in videos_below(tmp_path)]
    assert found == ["a.mp4", "b/y.avi", "b/z.WEBM"]


def test_every_kind_of_video_is_one(tree):
    kinds = ["a.3gp", "b.MTS", "c.m2ts", "d.vob", "e.ogv", "f.asf", "g.F4V", "h.divx", "i.mj2"]
    assert names(tree(*kinds, "j.wav", "k.jpg")) == kinds


def test_hidden_and_left_behind_files_are_no_clips_and_said(tree, caplog):
    root = tree(
        *("a.mp4", "._a.mp4", "sub/.DS_Store", "sub/b.mp4", "notes.txt", "c.srt", "d.srt"),
        *("__MACOSX/a.mp4", ".Trash-1000/files/c.mp4", "sub/.ipynb_checkpoints/b.mp4"),
    )
    with caplog.at_level(logging.WARNING):
        assert names(root) == ["a.mp4", "sub/b.mp4"]
    (line,) = caplog.messages
    assert line == (
        f"{root}: 2 videos; passed over: 2 .srt, 1 .txt, 2 hidden or left-behind files, "
        "3 hidden or left-behind folders"
    )


def test_a_folder_without_anything_else_says_nothing(tree, caplog):
    names(tree("a.mp4", "b/c.mp4"))
    assert caplog.messages == []


def test_typescript_is_no_transport_stream(tree, caplog):
    root = tree("app.ts", content=b"export const GREETING = 'Good morning';\n" * 40)
    tree("a.ts", content=STREAM)
    tree("cut.TS", content=bytes(100) + STREAM)
    assert names(root) == ["a.ts", "cut.TS"]
    assert "1 TypeScript or other text called .ts" in caplog.text


def test_linked_folders_are_followed_and_circles_end(tree, tmp_path_factory, caplog):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "b.mp4").write_bytes(b"x")
    root = tree("a.mp4", "sub/c.mp4")
    (root / "linked").symlink_to(elsewhere)
    (root / "sub" / "up").symlink_to(root)
    (elsewhere / "again").symlink_to(elsewhere)
    (root / "gone.mp4").symlink_to(root / "nothing.mp4")
    assert names(root) == ["a.mp4", "linked/b.mp4", "sub/c.mp4"]
    assert "2 linked folders that were read already" in caplog.text
    assert "1 links to nothing" in caplog.text


def test_kodf_keeps_its_genuine_class_behind_a_link(tree, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    (store / "1.mp4").write_bytes(b"x")
    root = tree("fo/7/x.mp4", "original_videos/7/.DS_Store")
    (root / "original_videos" / "8").symlink_to(store)
    assert sorted(clip.label_video for clip in kodf.clips(root)) == [0, 1]


def test_a_left_behind_file_does_not_lose_celeb_df(tree):
    root = tree("Celeb-real/id0_0001.mp4", "Celeb-real/._id0_0001.mp4")
    tree("List_of_testing_videos.txt", content=b"1 YouTube-real/00170.mp4\n")
    assert [clip.key for clip in celebdf.clips(root)] == [
        "Celeb-real/id0_0001.mp4",
        "YouTube-real/00170.mp4",
    ]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert videos_below(tmp_path / "gone") == []


def test_a_folder_that_cannot_be_read_is_one_line(tree, monkeypatch):
    root = tree("sub/a.mp4")

    def denied(path, **options):
        options["onerror"](PermissionError(13, "Permission denied", str(root / "sub")))
        return iter(())

    monkeypatch.setattr("data_pipelines.benchmarks.files.os.walk", denied)
    with pytest.raises(UserError, match=r"cannot read .*sub: Permission denied"):
        videos_below(root)


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_a_list_and_a_disk_may_write_letters_differently(tree, listed, stored):
    name = "Zoë/Müller.mp4"
    root = tree(unicodedata.normalize(stored, name))
    path = locate(root, unicodedata.normalize(listed, name))
    assert path.is_file()
    assert path == root / unicodedata.normalize(stored, name)


def test_backslashes_separate_where_no_file_has_them_in_its_name(tree):
    root = tree("sub/a.mp4", "odd\\b.mp4")
    assert locate(root, "sub\\a.mp4") == root / "sub" / "a.mp4"
    assert locate(root, "odd\\b.mp4") == root / "odd\\b.mp4"
    assert locate(root, "sub\\gone.mp4") == root / "sub\\gone.mp4"


def test_names_that_are_no_text_stay_apart_and_hold_nothing_for_the_terminal(tmp_path):
    stored = [b"\xe9.mp4", b"\xe8.mp4", b"\x1b[2J.mp4", "é\u202f.mp4".encode()]
    for name in stored:
        (tmp_path / os.fsdecode(name)).write_bytes(b"0")
    keys = [clip.key for clip in folder.clips(tmp_path)]
    assert sorted(keys) == sorted([r"\xe9.mp4", r"\xe8.mp4", r"\x1b[2J.mp4", "é\u202f.mp4"])
