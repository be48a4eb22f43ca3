import dataclasses
import json

import pytest

from data_pipelines.errors import UserError
from data_pipelines.splits.file import (
    apply_split,
    choose_split,
    compare,
    make_split,
    read_split,
    split_lines,
    write_split,
)
from data_pipelines.splits.schemes import SplitOptions


@pytest.fixture
def sources(clip, tmp_path):
    found = [clip(f"c{i}.mp4", f"id{i // 3}", root=tmp_path, label=i % 2) for i in range(60)]
    for source in found:
        source.path.touch()
    return found


@pytest.fixture
def split(sources):
    return make_split(sources, "source_disjoint", SplitOptions(seed=3))


def test_a_file_comes_back_and_states_its_hash(split, tmp_path):
    write_split(split, tmp_path / "split.json")
    assert read_split(tmp_path / "split.json") == split
    content = json.loads((tmp_path / "split.json").read_text())
    assert content["sha256"] == split.sha256
    assert (content["format"], content["version"]) == ("cad-jax split", 1)
    assert split.name == "source_disjoint seed=3 shares=0.62/0.07/0.31"


def test_the_hash_is_of_the_content(split, sources):
    assert make_split(sources[::-1], "source_disjoint", SplitOptions(seed=3)).sha256 == split.sha256
    moved = split.sides | {"c0.mp4": "val" if split.sides["c0.mp4"] != "val" else "test"}
    assert dataclasses.replace(split, sides=moved).sha256 != split.sha256


def test_applying_gives_clips_their_side(split, sources):
    applied = apply_split(split, sources)
    assert {source.key: source.split for source in applied} == split.sides
    without = {key: side for key, side in split.sides.items() if key != "c5.mp4"}
    dropped = dataclasses.replace(split, sides=without, dropped={"c5.mp4": "why"})
    assert "c5.mp4" not in {source.key for source in apply_split(dropped, sources)}


def test_a_copy_is_compared_by_key_file_and_label(split, sources, clip, tmp_path):
    sources[0].path.unlink()  # listed, but not there
    relabelled = dataclasses.replace(sources[2], label_video=1)
    copy = [sources[0], relabelled, *sources[3:], clip("new.mp4", root=tmp_path)]
    found = compare(split, copy)
    assert found.have == 58
    assert found.missing == ["c0.mp4", "c1.mp4"]
    assert found.extra == ["new.mp4"]
    assert found.mismatched == ["c2.mp4"]
    assert found.line() == (
        "on disk: have 58, missing 2 (e.g. c0.mp4), extra 1 (e.g. new.mp4), "
        "label mismatch 1 (e.g. c2.mp4)"
    )
    with pytest.raises(UserError, match=r"1 clips have other labels .*another version of clips"):
        apply_split(split, copy)


def test_a_file_of_another_set_is_refused(split, clip):
    with pytest.raises(UserError, match="names none of these 1 clips"):
        apply_split(split, [clip("other.mp4")])


def test_the_table_counts_every_side(split, sources):
    lines = split_lines(split, sources)
    assert split.sha256[:12] in lines[0]
    assert [line.split()[0] for line in lines[1:4]] == ["train", "val", "test"]
    assert sum(int(line.split()[1]) for line in lines[1:4]) == 60
    assert sum(int(line.split()[-2]) for line in lines[1:4]) == 20  # identities
    assert sum(int(line.split("(")[1].split()[0]) for line in lines[1:4]) == 30  # forged


def test_a_choice_is_a_file_a_scheme_or_nothing(split, sources, tmp_path):
    write_split(split, tmp_path / "split.json")
    assert choose_split(sources, str(tmp_path / "split.json")) == split
    assert choose_split(sources, "kfold").scheme == "kfold"
    assert choose_split(sources, "").scheme == "hashed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "[]", "is no split file"),
        (lambda text: text[:100], "is no split file"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "version 2; expected"),
        (lambda text: text.replace('"test"', '"train"', 1), "was changed"),
        (lambda text: text.replace('"sides"', '"side"'), "is no split file"),
    ],
)
def test_a_wrong_file_is_one_clear_line(split, tmp_path, change, message):
    path = tmp_path / "split.json"
    write_split(split, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        read_split(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot read"):
        read_split(tmp_path / "gone.json")
