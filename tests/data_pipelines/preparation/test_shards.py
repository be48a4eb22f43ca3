import pytest

from data_pipelines.preparation.shards import plan_shards, write_shards
from data_pipelines.preparation.spool import Outcome, Spool, claim
from data_pipelines.records.tfrecord import ShardSummary, read_index, write_shard

SPLITS = ["train", "val", "train", "train", "train"]
SIZES = [[40], [30], [], [50, 70], [20]]


def outcomes():
    parts = [[ShardSummary(size // 10, size) for size in sizes] for sizes in SIZES]
    return [Outcome(parts=tuple(clip), reason="" if clip else "no_face") for clip in parts]


def test_shards_are_filled_in_order_up_to_the_target():
    plans = plan_shards(SPLITS, outcomes(), target_bytes=100)
    assert [shard.parts for shard in plans["train"]] == [[(0, 0), (3, 0)], [(3, 1), (4, 0)]]
    assert [shard.parts for shard in plans["val"]] == [[(1, 0)]]
    assert [shard.num_bytes for shard in plans["train"]] == [90, 90]
    assert "test" not in plans


def test_a_part_beyond_the_target_is_a_shard_of_its_own():
    plans = plan_shards(["train"] * 3, [Outcome(parts=(ShardSummary(1, 500),))] * 3, 100)
    assert [shard.parts for shard in plans["train"]] == [[(0, 0)], [(1, 0)], [(2, 0)]]


@pytest.fixture
def spool(tmp_path):
    claim(tmp_path, "mark")
    spool = Spool(tmp_path)
    for clip, sizes in enumerate(SIZES):
        for number, size in enumerate(sizes):
            payloads = [bytes([clip, number]) * 5] * (size // 10)
            write_shard(spool.part(clip, number), payloads)
    return spool


def test_shards_hold_the_parts_records_and_the_parts_go(tmp_path, spool):
    summaries = write_shards(tmp_path, "clips", plan_shards(SPLITS, outcomes(), 100), spool)
    assert summaries == {
        "train": [ShardSummary(9, 90), ShardSummary(9, 90)],
        "val": [ShardSummary(3, 30)],
    }
    first = tmp_path / "clips-train.tfrecord-00000-of-00002"
    assert read_index(first)[:, 1].tolist() == [10] * 9
    assert first.read_bytes()[12:22] == bytes([0, 0]) * 5
    assert list(spool.folder.iterdir()) == []


def test_finished_shards_are_kept(tmp_path, spool):
    plans = plan_shards(SPLITS, outcomes(), 100)
    write_shards(tmp_path, "clips", plans, spool)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("clips-*")}
    write_shards(tmp_path, "clips", plans, spool)  # its parts are gone: it must not need them
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("clips-*")} == before
