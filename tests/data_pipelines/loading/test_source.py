"""Access, damage and the table of clips."""

import dataclasses
import logging
import os
import pathlib
import pickle

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import write_metadata
from data_pipelines.records.tfrecord import (
    RecordError,
    ShardSummary,
    read_index,
    read_payload,
    write_shard,
)


@pytest.fixture
def clips(make_clip):
    return [make_clip(num_frames=2 + i, name=f"c{i}") for i in range(7)]


def shards(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.tfrecord-*"))


def flip_byte(shard: pathlib.Path, record: int) -> None:
    """Damages the middle of a record's payload."""
    offset, length = read_index(shard)[record].tolist()
    data = bytearray(shard.read_bytes())
    data[offset + 12 + length // 2] ^= 1
    shard.unlink()
    shard.write_bytes(data)


def test_every_clip_in_order(write_source, clips):
    source = write_source(clips)
    assert len(source) == 7
    samples = [source[i] for i in range(7)]
    assert [sample.index for sample in samples] == list(range(7))
    assert [sample.clip.clip_id for sample in samples] == [clip.clip_id for clip in clips]
    assert source[np.int64(3)].clip.frames == clips[3].frames
    for outside in (-1, 7):
        with pytest.raises(IndexError, match=f"clip {outside} of a source of 7"):
            source[outside]


def test_pickling_takes_no_open_files_along(write_source, clips):
    source = write_source(clips)
    source[0], source[6]
    copy = pickle.loads(pickle.dumps(source))
    assert copy._maps == {}
    assert copy[6].clip.clip_id == clips[6].clip_id


def test_the_name_is_that_of_the_content(write_source, clips, tmp_path):
    source = write_source(clips)
    assert repr(source) == repr(TFRecordSource(tmp_path, "train"))
    assert repr(source) == repr(pickle.loads(pickle.dumps(source)))
    assert str(id(source)) not in repr(source)
    assert repr(source) != repr(source.subset([0, 1, 2, 3, 4, 6, 5]))


def test_a_flipped_byte_is_an_error_that_names_the_place(write_source, clips, tmp_path):
    source = write_source(clips)
    shard = shards(tmp_path)[1]
    flip_byte(shard, 2)
    offset = int(read_index(shard)[2, 0])
    with pytest.raises(RecordError, match=f"{shard.name}, record at byte {offset}: the payload's"):
        source[5]
    assert source[4].clip.clip_id == clips[4].clip_id


def test_skip_takes_the_next_intact_clip_and_counts_once(write_source, clips, tmp_path, caplog):
    source = write_source(clips, on_corrupt="skip")
    for shard, record in ((1, 1), (1, 2), (2, 0)):  # clips 4, 5 and 6
        flip_byte(shards(tmp_path)[shard], record)
    with caplog.at_level(logging.WARNING):
        assert [source[i].index for i in (3, 4, 5, 6, 4)] == [3, 0, 0, 0, 0]
    assert sorted(source.corrupt) == [4, 5, 6]
    assert len(caplog.records) == 3
    assert "made-train.tfrecord-00001-of-00003" in caplog.text


def test_skip_gives_up_where_nothing_is_intact(write_source, clips, tmp_path):
    source = write_source(clips[:1], on_corrupt="skip")
    flip_byte(shards(tmp_path)[0], 0)
    with pytest.raises(RecordError, match="not one of the 1 records is intact"):
        source[0]


def swap_records(shard: pathlib.Path) -> None:
    """The shard's records in the opposite order: as large, but not what the table says."""
    data = shard.read_bytes()
    payloads = [read_payload(shard, data, *entry) for entry in read_index(shard).tolist()]
    write_shard(shard, payloads[::-1])


@pytest.mark.parametrize("policy", ["error", "skip"])
def test_a_record_that_is_not_the_table_s_is_noticed(write_source, clips, tmp_path, policy):
    """Of other length, or of the same: no policy takes another clip's labels for this one's."""
    for sizes in (clips[:2], [clips[0], dataclasses.replace(clips[0], audio=clips[0].audio[::-1])]):
        write_source(sizes)
        swap_records(shards(tmp_path)[0])
        source = TFRecordSource(tmp_path, "train", on_corrupt=policy)
        with pytest.raises(UserError, match=r"at byte 0: another record than the clip table"):
            source[0]
        for path in tmp_path.iterdir():
            path.unlink()


def test_a_payload_that_is_no_clip(tmp_path):
    shard = tmp_path / "made-train.tfrecord-00000-of-00001"
    write_metadata(tmp_path, "made", {"train": [write_shard(shard, [b"no clip"])]})
    with pytest.raises(RecordError, match=r"record at byte 0: not a tf.train.Example"):
        TFRecordSource(tmp_path, "train")


def test_a_cut_shard(write_source, clips, tmp_path):
    write_source(clips)
    shard = shards(tmp_path)[1]
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(RecordError, match=f"{shard.name}, .*cut short"):
        TFRecordSource(tmp_path, "train")


def test_a_shard_cut_between_records(write_source, clips, tmp_path):
    write_source(clips)
    shard = shards(tmp_path)[1]
    os.truncate(shard, read_index(shard)[2, 0])
    with pytest.raises(UserError, match=f"{shard.name} holds 2 records, dataset_info.json says 3"):
        TFRecordSource(tmp_path, "train")


def test_a_missing_shard(write_source, clips, tmp_path):
    write_source(clips)
    shards(tmp_path)[2].unlink()
    with pytest.raises(UserError, match=r"00002-of-00003 is missing; prepare"):
        TFRecordSource(tmp_path, "train")


def test_a_missing_split_and_an_empty_one(write_source, clips, tmp_path):
    write_source(clips)
    with pytest.raises(UserError, match="no split 'val'; known: train"):
        TFRecordSource(tmp_path, "val")
    shard = tmp_path / "made-val.tfrecord-00000-of-00001"
    write_metadata(tmp_path, "made", {"val": [write_shard(shard, [])]})
    with pytest.raises(UserError, match=r"split 'val' of .* holds no clips"):
        TFRecordSource(tmp_path, "val")


def test_an_empty_shard_among_others(write_source, clips, tmp_path):
    write_source(clips[:3])
    (tmp_path / "made-train.tfrecord-00000-of-00001").rename(
        tmp_path / "made-train.tfrecord-00001-of-00002"
    )
    write_shard(tmp_path / "made-train.tfrecord-00000-of-00002", [])
    write_metadata(tmp_path, "made", {"train": [ShardSummary(0, 0), ShardSummary(3, 1)]})
    source = TFRecordSource(tmp_path, "train")
    assert [source[i].clip.clip_id for i in range(3)] == [clip.clip_id for clip in clips[:3]]


def test_the_table_and_the_pair_numbers(write_source, make_clip):
    ids = ["b", "", "a", "b"]
    source = write_source([make_clip(2, name=f"c{i}", pair_id=p) for i, p in enumerate(ids)])
    assert source.column("pair_id").tolist() == ids
    assert source.column("source_ids").tolist() == [(f"c{i}",) for i in range(4)]
    np.testing.assert_array_equal(source.pairs, [1, -1, 0, 1])


def test_a_subset_is_a_source(write_source, clips):
    source = write_source(clips)
    part = source.subset([5, 1])
    assert len(part) == 2
    assert [part[i].clip.clip_id for i in range(2)] == [clips[5].clip_id, clips[1].clip_id]
    assert [part[i].index for i in range(2)] == [0, 1]
    assert part.column("clip_id").tolist() == [clips[5].clip_id, clips[1].clip_id]
    assert source.subset(range(7))[6].clip.clip_id == clips[6].clip_id
    for outside in ([7], [-1]):
        with pytest.raises(IndexError, match="clips 0 to 6"):
            source.subset(outside)
    with pytest.raises(ValueError, match="at least one"):
        source.subset([])


@pytest.fixture
def two_sets(write_source, make_clip):
    """Sets of four and three clips that use the same pair names."""
    ids = (("p", "q", "", "p"), ("q", "", "p"))
    return [
        write_source(
            [
                make_clip(2, name=f"{folder}{i}", pair_id=pair, label_video=i % 2)
                for i, pair in enumerate(pairs)
            ],
            folder=folder,
        )
        for folder, pairs in zip("ab", ids, strict=True)
    ]


def test_a_sum_of_sources_is_one_after_the_other(two_sets):
    first, second = two_sets
    both = first + second
    names = [f"made/{name}#0" for name in ("a0", "a1", "a2", "a3", "b0", "b1", "b2")]
    assert [both[i].clip.clip_id for i in range(7)] == names
    assert [both[i].index for i in range(7)] == list(range(7))
    assert both.column("clip_id").tolist() == names
    assert [len(first), len(second), len(both)] == [4, 3, 7]
    assert repr(both) != repr(second + first)
    copy = pickle.loads(pickle.dumps(both))
    assert copy[6].clip.clip_id == names[6]
    part = both.subset([6, 0])
    assert [part[i].clip.clip_id for i in range(2)] == [names[6], names[0]]
    np.testing.assert_array_equal(part.sets, [1, 0])
    assert part.column("clip_id").tolist() == [names[6], names[0]]
    assert part.fingerprint != both.subset([0, 6]).fingerprint
    joined = first.subset([3]) + second
    assert joined.column("clip_id").tolist() == [names[3], *names[4:]]
    assert [joined[i].clip.clip_id for i in range(4)] == [names[3], *names[4:]]
    codes, videos = joined.coded("video")
    assert videos[codes].tolist() == [f"made/{name}" for name in ("a3", "b0", "b1", "b2")]


def test_sets_keep_their_originals_apart(two_sets):
    both = two_sets[0] + two_sets[1]
    np.testing.assert_array_equal(both.sets, [0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(both.pairs, [0, 1, -1, 0, 3, -1, 2])
    np.testing.assert_array_equal(two_sets[1].pairs, [1, -1, 0])
    np.testing.assert_array_equal(both.subset([5, 4, 3, 1]).pairs, [-1, 3, 0, 1])


def test_a_corrupt_clip_of_a_sum_is_named_where_it_lies(two_sets, tmp_path):
    flip_byte(shards(tmp_path / "b")[0], 1)
    both = two_sets[0] + two_sets[1]
    with pytest.raises(RecordError, match=str(shards(tmp_path / "b")[0])):
        both[5]


def test_the_genuine_clips_alone(two_sets, write_source, make_clip):
    genuine = two_sets[0].genuine()
    assert [genuine[i].clip.clip_id for i in range(2)] == ["made/a0#0", "made/a2#0"]
    assert len(genuine) == 2
    forged = write_source([make_clip(2, label_audio=1)], folder="forged")
    with pytest.raises(UserError, match=r"made/train in .*forged has no genuine clips"):
        forged.genuine()
