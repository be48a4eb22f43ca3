"""The TFRecord container: length, its masked CRC32C, payload, its masked CRC32C.

Owns framing, checksums, atomic writing and the offset index that makes shards randomly accessible.
Knows nothing of what a payload means (see `schema`).
"""

import dataclasses
import mmap
import os
import pathlib
import struct
from collections.abc import Iterable, Iterator

import google_crc32c
import numpy as np
from jaxtyping import Int64

from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_writer

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER = struct.Struct("<QI")
_MASK_DELTA = 0xA282EAD8


class RecordError(UserError):
    """A shard does not hold what it should at some place.

    Attributes:
        shard: path of the shard.
        offset: byte position of the record's header in it.
        what: what is wrong.
    """

    def __init__(self, shard: str | os.PathLike[str], offset: int, what: str) -> None:
        # All arguments go to Exception: that is what lets the error cross process boundaries.
        super().__init__(shard, offset, what)
        self.shard, self.offset, self.what = pathlib.Path(shard), offset, what

    def __str__(self) -> str:
        return f"{self.shard}, record at byte {self.offset}: {self.what}"


@dataclasses.dataclass(frozen=True)
class ShardSummary:
    """What the metadata says about a shard: its number of records and their payloads' bytes."""

    num_records: int
    num_bytes: int


def masked_crc32c(data: bytes) -> int:
    """CRC32C rotated and offset, as TFRecord wants it (so that a CRC of CRCs stays meaningful)."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def write_shard(path: str | os.PathLike[str], payloads: Iterable[bytes]) -> ShardSummary:
    """Writes one shard, whole or not at all.

    Args:
        path: the shard's final name; its folder must exist.
        payloads: serialised records, consumed once and never held together.

    Returns:
        The number of records and the sum of their payloads' bytes, for `write_metadata`.

    Raises:
        OSError: disk full, read-only folder and the like; names `path`. Nothing is left behind.
    """
    num_records = num_bytes = 0
    with atomic_writer(path) as write:
        for payload in payloads:
            length = _LENGTH.pack(len(payload))
            write(length + _CRC.pack(masked_crc32c(length)))
            write(payload)
            write(_CRC.pack(masked_crc32c(payload)))
            num_records += 1
            num_bytes += len(payload)
    return ShardSummary(num_records, num_bytes)


def read_index(path: str | os.PathLike[str]) -> Int64[np.ndarray, "n 2"]:
    """Finds the records of a shard by walking its 12-byte headers; payloads are not read.

    There is no index file: the walk costs about 2 microseconds a record, less than proving that a
    stored index still belongs to its shard.

    Returns:
        [n 2] each record's header offset and payload length, bytes.

    Raises:
        FileNotFoundError: there is no such shard.
        RecordError: a header's CRC does not match or the shard ends within a record.
    """
    entries = []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        offset = 0
        while offset < size:
            header = os.pread(descriptor, _HEADER.size, offset)
            if len(header) < _HEADER.size:
                raise RecordError(path, offset, f"the shard was cut short at {size} bytes")
            length, crc = _HEADER.unpack(header)
            if masked_crc32c(header[: _LENGTH.size]) != crc:
                raise RecordError(path, offset, "the length's CRC does not match; prepare it again")
            end = offset + _HEADER.size + length + _CRC.size
            if end > size:
                raise RecordError(
                    path, offset, f"the shard was cut short: {size} bytes, the record ends at {end}"
                )
            entries.append((offset, length))
            offset = end
    finally:
        os.close(descriptor)
    return np.array(entries, np.int64).reshape(-1, 2)


def read_payloads(shard: pathlib.Path) -> Iterator[bytes]:
    """Every record's payload, checked, in order; the whole file is in memory.

    Raises:
        RecordError: as `read_index` and `read_payload`.
    """
    content = shard.read_bytes()
    for offset, length in read_index(shard).tolist():
        yield read_payload(shard, content, offset, length)


def read_payload(
    shard: str | os.PathLike[str],
    data: bytes | mmap.mmap,
    offset: int,
    length: int,
    crc: int | None = None,
) -> bytes:
    """One record's payload, checked.

    Args:
        shard: the shard's name, for the error.
        data: the shard's content, as bytes or a memory map.
        offset: byte position of the record's header, from `read_index`.
        length: bytes of the payload, from `read_index`.
        crc: the masked CRC that the payload is known to have, if any.

    Raises:
        RecordError: the payload's CRC does not match.
        UserError: the record is intact, but another than the known one.
    """
    start = offset + _HEADER.size
    payload = data[start : start + length]
    found = masked_crc32c(payload)
    intact = data[start + length : start + length + _CRC.size] == _CRC.pack(found)
    if crc is not None and (_has_other_length(data, offset, length) or (intact and found != crc)):
        raise UserError(
            f"{shard}, record at byte {offset}: another record than the clip table beside it says; "
            "the shard was replaced: remove the table, it is made again"
        )
    if not intact:
        raise RecordError(shard, offset, "the payload's CRC does not match; prepare it again")
    return payload


def payload_crc(data: bytes | mmap.mmap, offset: int, length: int) -> int:
    """The masked CRC that stands at a record's end, unchecked."""
    return _CRC.unpack_from(data, offset + _HEADER.size + length)[0]


def payload_view(data: bytes | memoryview, offset: int, length: int) -> memoryview:
    """One record's payload, neither copied nor checked, for a few fields of many records."""
    start = offset + _HEADER.size
    return memoryview(data)[start : start + length]


def _has_other_length(data: bytes | mmap.mmap, offset: int, length: int) -> bool:
    """Whether an intact header stands here, of a record of another length."""
    header = data[offset : offset + _HEADER.size]
    if len(header) < _HEADER.size:
        return False
    found, crc = _HEADER.unpack(header)
    return found != length and masked_crc32c(header[: _LENGTH.size]) == crc
