"""The clip table says what the records say, belongs to its shards, costs other processes bytes."""

import dataclasses
import os
import pathlib
import pickle

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.records import table as table_module
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.metadata import read_metadata, shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.table import NUMBERS, open_table, table_path, write_table, write_tables
from data_pipelines.records.tfrecord import ShardSummary, write_shard
from data_pipelines.synthetic.drawn import drawn_clips

FIELDS = (
    "clip_id", "source_ids", "dataset", "split", "pair_id", "method_video", "method_audio",
    "has_video", "has_audio", "label_video", "label_audio", "label_sync", "label", "sync_delay_ms",
    "audio_offset_ms",
)  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> list[ClipRecord]:
    """Five, of several originals, lengths and methods; one of nobody and one without sound."""
    clips = list(drawn_clips(5, seed=0, seconds=0.4, size=32))
    clips[1] = dataclasses.replace(clips[1], source_ids=(), clip_id="drawn/a#1/b#520")
    clips[2] = dataclasses.replace(clips[2], source_ids=("é", "b"), audio_offset_ms=12.5)
    clips[3] = dataclasses.replace(
        clips[3], audio=clips[3].audio[:0], label_audio=-1, label_sync=-1, pair_id=""
    )
    return clips


@pytest.fixture
def write_set(tmp_path):
    """Writes clips as a split, so many a shard, and describes it."""

    def write(clips, per_shard: int = 2, folder: str = "."):
        directory = tmp_path / folder
        directory.mkdir(exist_ok=True)
        groups = [clips[i : i + per_shard] for i in range(0, len(clips), per_shard)]
        shards = [
            write_shard(
                directory / shard_name("made", "train", i, len(groups)), map(encode_clip, group)
            )
            for i, group in enumerate(groups)
        ]
        write_metadata(directory, "made", {"train": shards})
        return read_metadata(directory)

    return write


@pytest.fixture
def reads(monkeypatch) -> list[pathlib.Path]:
    """The shards that are read for a table."""
    read, original = [], table_module._read_shard
    monkeypatch.setattr(
        table_module,
        "_read_shard",
        lambda number, shard: read.append(shard) or original(number, shard),
    )
    return read


def file_of(prepared) -> pathlib.Path:
    return table_path(prepared.directory, prepared.name, "train")


def test_columns_say_what_the_records_say(write_set, clips):
    table = open_table(write_set(clips), "train")
    assert len(table) == 5
    for name in FIELDS:
        expected = [getattr(clip, name) for clip in clips]
        np.testing.assert_equal(table.column(name).tolist(), expected, err_msg=name)
    assert table.column("num_frames").tolist() == [len(clip.frames) for clip in clips]
    assert table.column("num_samples").tolist() == [6400, 6400, 6400, 0, 6400]
    assert table.column("video").tolist()[1] == "drawn/a#1/b"
    assert table.column("identity").tolist() == ["head00", "", "é", "head00", "head01"]
    assert table.column("shard").tolist() == [0, 0, 1, 1, 2]
    assert table.column("has_audio").dtype == np.bool_
    rows = np.array([4, 0])
    for name in (*FIELDS, "video", *NUMBERS):
        expected = table.column(name)[rows]
        np.testing.assert_equal(table.column(name, rows).tolist(), expected.tolist(), err_msg=name)
    with pytest.raises(KeyError, match="colour"):
        table.column("colour")


def test_repeated_texts_are_numbered_in_their_order(write_set, clips):
    """Across shards too."""
    codes, names = open_table(write_set(clips[::-1]), "train").coded("pair_id")
    assert names.tolist() == ["", "drawn/00000", "drawn/00001"]
    assert codes.tolist() == [2, 0, 1, 1, 1]
    assert codes.dtype == np.int32


def test_a_table_is_made_once(write_set, clips, reads):
    prepared = write_set(clips)
    write_tables(prepared.directory)
    assert reads == prepared.shards("train")
    content = file_of(prepared).read_bytes()
    open_table(prepared, "train")
    assert len(reads) == 3
    file_of(prepared).unlink()
    open_table(prepared, "train")  # missing
    open_table(prepared, "train")
    assert len(reads) == 6
    assert file_of(prepared).read_bytes() == content
    assert [path.name for path in prepared.directory.iterdir() if path.name[0] == "."] == []


def test_a_table_of_other_shards_is_made_again(write_set, clips, reads):
    open_table(write_set(clips), "train")
    other = write_set(clips[:3], per_shard=1)  # as many shards, of other sizes
    assert open_table(other, "train").column("clip_id").tolist() == [c.clip_id for c in clips[:3]]
    assert len(reads) == 6


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_a_damaged_table_and_one_of_another_format_are_made_again(
    write_set, clips, reads, monkeypatch, content
):
    prepared = write_set(clips)
    open_table(prepared, "train")
    file = file_of(prepared)
    if content is None:
        monkeypatch.setattr(table_module, "FORMAT", table_module.FORMAT + 1)
    else:
        file.write_bytes(content)
    assert len(open_table(prepared, "train")) == 5
    assert len(reads) == 6


def test_a_folder_that_cannot_be_written_to_is_no_failure(write_set, clips, monkeypatch):
    prepared = write_set(clips)

    def refuse(data, path):
        raise OSError(30, f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(table_module, "write_shared", refuse)
    table = open_table(prepared, "train")
    assert not file_of(prepared).exists()
    copy = pickle.loads(pickle.dumps(table))
    assert copy.column("clip_id").tolist() == [clip.clip_id for clip in clips]
    with pytest.raises(OSError, match="Read-only"):
        write_tables(prepared.directory)


def test_the_fingerprint_is_of_content_and_order_alone(write_set, clips):
    def fingerprint(clips, **where) -> str:
        return open_table(write_set(clips, **where), "train").fingerprint

    first = fingerprint(clips)
    assert len(first) == 64
    assert fingerprint(clips, per_shard=5, folder="other") == first
    assert fingerprint(clips[::-1], folder="reversed") != first
    assert fingerprint(clips[:4], folder="shorter") != first
    louder = dataclasses.replace(clips[4], audio=clips[4].audio[::-1])  # as many bytes
    assert fingerprint([*clips[:4], louder], folder="changed") != first


def test_a_copy_reopens_the_file_and_refuses_another(write_set, clips):
    table = open_table(write_set(clips), "train")
    pickled = pickle.dumps(table)
    np.testing.assert_array_equal(pickle.loads(pickled).column("crc"), table.column("crc"))
    open_table(write_set(clips[:2]), "train")
    with pytest.raises(UserError, match=r"made-train.arrow was changed while it was in use"):
        pickle.loads(pickled)


def write_large_table(directory: pathlib.Path, count: int) -> None:
    """A table of so many windows, four a file, over shards that hold nothing."""
    videos = np.arange(count) // 4
    forged = (videos % 2).astype(np.int8)
    shard = directory / shard_name("large", "train", 0, 1)
    shard.touch()
    os.truncate(shard, 100)
    columns = {
        "clip_id": [f"large/file{video:07d}.mp4#{i % 4 * 4000}" for i, video in enumerate(videos)],
        "source_ids": [(f"person{video % 5000}",) for video in videos],
        "dataset": ["large"] * count,
        "split": ["train"] * count,
        "pair_id": [f"original{video // 2}" for video in videos],
        "method_video": np.array(["none", "swap"], object)[forged],
        "method_audio": ["none"] * count,
        **{name: np.zeros(count, np.int32) for name in NUMBERS},
        "label_video": forged,
        "label": forged,
        "has_video": np.ones(count, np.uint8),
    }
    write_table(table_path(directory, "large", "train"), columns, [(100, count)])
    write_metadata(directory, "large", {"train": [ShardSummary(count, 0)]})


def test_a_large_set_costs_its_workers_bytes(tmp_path):
    from data_pipelines.loading.sampling import TrainingOrder, make_strata
    from data_pipelines.loading.source import TFRecordSource

    count = 200_000
    write_large_table(tmp_path, count)
    source = TFRecordSource(tmp_path, "train")
    order = TrainingOrder(make_strata(source), seed=0)
    assert len(source.pairs) == count  # what a process has worked out stays with it
    assert len(pickle.dumps((source, order))) < 2000
    half = source.subset(range(0, count, 2))
    balanced = TrainingOrder(make_strata(half, balance="class"), seed=0)
    assert len(pickle.dumps((half, balanced))) < 4 * count / 2 + 4 * count / 2 + 2000
    (genuine, forged) = make_strata(half, balance="class")
    np.testing.assert_array_equal(half.column("label")[genuine.clips], 0)
    np.testing.assert_array_equal(half.column("label")[forged.clips], 1)
    assert half.pairs.max() == count / 8 - 1
