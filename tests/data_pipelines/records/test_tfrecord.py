"""Framing, checksums and the index, against literal bytes and damaged shards."""

import os
import pickle

import numpy as np
import pytest

from data_pipelines.records.tfrecord import (
    RecordError,
    ShardSummary,
    masked_crc32c,
    payload_view,
    read_index,
    read_payload,
    write_shard,
)

PAYLOADS = [b"first", b"", b"the third record"]
# Each record is 16 bytes longer than its payload.
INDEX = [[0, 5], [21, 0], [37, 16]]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "x-train.tfrecord-00000-of-00001"
    write_shard(path, PAYLOADS)
    return path


def test_crc_of_the_published_check_value():
    # CRC-32C's check value is 0xe3069283; rotated right by 15 it is 0x2507c60d.
    assert masked_crc32c(b"123456789") == (0x2507C60D + 0xA282EAD8) % 2**32


def test_the_bytes_are_those_of_the_format(tmp_path):
    summary = write_shard(tmp_path / "shard", [b"ab"])
    data = (tmp_path / "shard").read_bytes()
    length = b"\x02" + b"\x00" * 7
    assert data[:8] == length
    assert data[8:12] == masked_crc32c(length).to_bytes(4, "little")
    assert data[12:14] == b"ab"
    assert data[14:] == masked_crc32c(b"ab").to_bytes(4, "little")
    assert summary == ShardSummary(num_records=1, num_bytes=2)


def test_index_and_payloads(shard):
    index = read_index(shard)
    np.testing.assert_array_equal(index, INDEX)
    data = shard.read_bytes()
    assert [read_payload(shard, data, *entry) for entry in index.tolist()] == PAYLOADS
    assert [bytes(payload_view(data, *entry)) for entry in index.tolist()] == PAYLOADS


def test_an_empty_shard(tmp_path):
    assert write_shard(tmp_path / "shard", []) == ShardSummary(0, 0)
    assert read_index(tmp_path / "shard").shape == (0, 2)


def test_a_missing_shard(tmp_path):
    with pytest.raises(FileNotFoundError, match="shard"):
        read_index(tmp_path / "shard")


@pytest.mark.parametrize("position", range(37 + 12, 37 + 12 + 16 + 4))
def test_a_flipped_bit_in_a_payload_or_its_crc_is_found(shard, position):
    data = bytearray(shard.read_bytes())
    data[position] ^= 0x10
    assert read_payload(shard, bytes(data), 0, 5) == PAYLOADS[0]
    with pytest.raises(RecordError, match="record at byte 37: the payload's CRC") as caught:
        read_payload(shard, bytes(data), 37, 16)
    assert (caught.value.shard, caught.value.offset) == (shard, 37)


@pytest.mark.parametrize("position", range(21, 21 + 12))
def test_a_flipped_bit_in_a_header_is_found(shard, position):
    data = bytearray(shard.read_bytes())
    data[position] ^= 0x10
    shard.write_bytes(data)
    with pytest.raises(RecordError, match="record at byte 21: the length's CRC"):
        read_index(shard)


@pytest.mark.parametrize("size", [1, 11, 12, 20, 36, 38, 68])
def test_a_cut_shard_is_found(shard, size):
    os.truncate(shard, size)
    begun = max(offset for offset, _ in INDEX if offset < size)
    with pytest.raises(RecordError, match=rf"{shard.name}, record at byte {begun}: .*cut short"):
        read_index(shard)


def test_a_shard_cut_between_records_has_fewer(shard):
    os.truncate(shard, 37)
    assert len(read_index(shard)) == 2


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path):
    def payloads():
        yield b"one"
        raise RuntimeError("no second clip")

    with pytest.raises(RuntimeError, match="no second clip"):
        write_shard(tmp_path / "shard", payloads())
    assert not list(tmp_path.iterdir())


def test_the_error_survives_a_process_boundary(shard):
    error = pickle.loads(pickle.dumps(RecordError(shard, 21, "broken")))
    assert str(error) == f"{shard}, record at byte 21: broken"
    assert error.offset == 21
