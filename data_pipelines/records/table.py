"""The clip table: what is known of every record of a split, by column, in a file beside its shards.

Owns the Arrow file, how it is made of the shards, and when it no longer belongs to them. It is read
through a memory map, so that processes share it and open it in no time, whatever its length. Knows
nothing of order, windows or media.

Columns (a row a record, in the order of shards and records):
    clip_id; source_ids: text and tuples of texts, see `ClipRecord`.
    video: the `clip_id` without its window's `#start`: windows of one file share it.
    identity: the first of `source_ids`, empty where there is none.
    dataset, split, pair_id, method_video, method_audio: text.
    shard: number of the shard; offset, length, crc: where the record begins in it, bytes of its
        payload, and the masked CRC32C at its end.
    has_video, has_audio, label_video, label_audio, label_sync, label, sync_delay_ms,
    audio_offset_ms: see `ClipRecord`.
    num_frames, num_samples: length of picture and sound, at 25 Hz and 16 kHz.
"""

# Arrow makes its functions when imported, unseen by type checkers.
# pyright: reportAttributeAccessIssue=false

import functools
import hashlib
import json
import logging
import mmap
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32, Int64, Shaped, UInt32

from data_pipelines.errors import UserError
from data_pipelines.records.atomic import write_shared
from data_pipelines.records.clip import video_of
from data_pipelines.records.metadata import PreparedSet, read_metadata, shard_name
from data_pipelines.records.schema import clip_facts
from data_pipelines.records.tfrecord import RecordError, payload_crc, payload_view, read_index

FORMAT = 1  # raise it when the same records come to give another table

# Repeated texts are kept once, sorted, and numbered in the rows.
CODED = ("video", "dataset", "split", "pair_id", "method_video", "method_audio", "identity")
NUMBERS = {
    "shard": pa.int32(),
    "offset": pa.int64(),
    "length": pa.int64(),
    "crc": pa.uint32(),
    "has_video": pa.uint8(),  # Arrow's own flags are bits, which NumPy cannot map
    "has_audio": pa.uint8(),
    "label_video": pa.int8(),
    "label_audio": pa.int8(),
    "label_sync": pa.int8(),
    "label": pa.int8(),
    "sync_delay_ms": pa.float64(),
    "num_frames": pa.int32(),
    "num_samples": pa.int32(),
    "audio_offset_ms": pa.float32(),
}
_FLAGS = ("has_video", "has_audio")
_CODED = pa.dictionary(pa.int32(), pa.large_string())
SCHEMA = pa.schema(
    {
        "clip_id": pa.large_string(),
        "source_ids": pa.list_(pa.large_string()),
        **dict.fromkeys(CODED, _CODED),
        **NUMBERS,
    }
)
_KEY = b"cad_jax"  # of the file's own facts, in the schema's metadata

log = logging.getLogger(__name__)


class ClipTable:
    """The table of one split. A pickled copy (a worker process) opens its own map of the file.

    Attributes:
        directory: the prepared directory.
        shards: the split's shards, in order; `shard` numbers them.
        fingerprint: of the split's content, see `fingerprint`.
    """

    def __init__(self, directory: pathlib.Path, name: str, split: str, data: pa.Buffer) -> None:
        """Opens an Arrow file that `write_table` wrote, mapped or in memory.

        Raises:
            pa.ArrowException, ValueError: it is none.
        """
        self._arrow = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        if self._arrow.schema.remove_metadata() != SCHEMA:
            raise ValueError("not a clip table of this format")
        facts = _facts(self._arrow.schema)
        self.directory, self._name, self._split = directory, name, split
        self._data: pa.Buffer | None = data  # until it is known to lie in a file
        self.sizes = [(size, count) for size, count in facts["shards"]]
        self.shards = [
            directory / shard_name(name, split, number, len(self.sizes))
            for number in range(len(self.sizes))
        ]
        self.fingerprint: str = facts["fingerprint"]

    def __len__(self) -> int:
        return self._arrow.num_rows

    def column(
        self, name: str, rows: Shaped[np.ndarray, " k"] | None = None
    ) -> Shaped[np.ndarray, " _"]:
        """One column, at `rows` or whole; numbers of a whole table are a view of the file.

        Raises:
            KeyError: there is no such column.
        """
        if name in CODED:
            codes, names = self.coded(name, rows)
            return names[codes]
        if name in NUMBERS:
            values = _view(self._chunk(name))
            values = values.view(np.bool_) if name in _FLAGS else values
            return values if rows is None else values[rows]
        chosen = self._chunk(name) if rows is None else self._chunk(name).take(pa.array(rows))
        if name == "clip_id":
            return chosen.to_numpy(zero_copy_only=False)
        values = np.empty(len(chosen), object)
        values[:] = [tuple(value) for value in chosen.to_pylist()]
        return values

    def coded(
        self, name: str, rows: Shaped[np.ndarray, " k"] | None = None
    ) -> tuple[Int32[np.ndarray, " _"], Shaped[np.ndarray, " m"]]:
        """A column of repeated texts as numbers, and the sorted texts that they number.

        Raises:
            KeyError: there is no such column.
        """
        if name not in CODED:
            raise KeyError(name)
        chunk = self._chunk(name)
        codes = _view(chunk.indices)
        names = chunk.dictionary.to_numpy(zero_copy_only=False)
        return codes if rows is None else codes[rows], names

    def place(self, row: int) -> tuple[pathlib.Path, int, int, int]:
        """Where a record lies: shard, byte offset, bytes of payload, and its masked CRC."""
        number, offset, length, crc = (int(column[row]) for column in self._places)
        return self.shards[number], offset, length, crc

    @functools.cached_property
    def _places(self) -> list[np.ndarray]:
        return [self.column(name) for name in ("shard", "offset", "length", "crc")]

    def __reduce__(self) -> tuple:
        place = (self.directory, self._name, self._split)
        if self._data is None:
            return _reopen, (*place, self.fingerprint)
        return _unpickle, (*place, self._data.to_pybytes())

    def _chunk(self, name: str) -> Any:
        if name not in SCHEMA.names:
            raise KeyError(name)
        return self._arrow.column(name).chunk(0)


def table_path(directory: str | os.PathLike[str], name: str, split: str) -> pathlib.Path:
    """Where the table of a split lies, e.g. `clips-train.arrow`."""
    return pathlib.Path(directory) / f"{name}-{split}.arrow"


def open_table(prepared: PreparedSet, split: str) -> ClipTable:
    """The table of a split. Where there is none, or one of other shards, it is made and written.

    Names, sizes and numbers of records of the shards say whether it is theirs; that each record is
    the table's is checked when it is read. Where it cannot be written it is kept in memory.

    Raises:
        UserError: no such split; a shard is missing or of another length than described.
        RecordError: a shard was cut short, its framing is damaged or a record is no clip.
    """
    shards = prepared.shards(split)
    sizes = list(zip(map(_size, shards), prepared.shard_lengths[split], strict=True))
    path = table_path(prepared.directory, prepared.name, split)
    table = _mapped(prepared.directory, prepared.name, split)
    if table is not None and table.sizes == sizes:
        return table
    data = _encoded(_read_shards(shards, prepared.shard_lengths[split]), sizes)
    try:
        write_shared(memoryview(data), path)
    except OSError as error:
        log.info("%s; it is kept in memory", error)
        return ClipTable(prepared.directory, prepared.name, split, data)
    return _reopen(prepared.directory, prepared.name, split)


def write_tables(directory: str | os.PathLike[str]) -> None:
    """Writes the tables of all splits of a finished set, so that its first opening need not.

    Raises:
        UserError: no prepared set there; see `open_table`.
        OSError: a file cannot be written.
    """
    prepared = read_metadata(directory)
    for split, lengths in prepared.shard_lengths.items():
        shards = prepared.shards(split)
        sizes = list(zip(map(_size, shards), lengths, strict=True))
        path = table_path(directory, prepared.name, split)
        write_shared(memoryview(_encoded(_read_shards(shards, lengths), sizes)), path)


def write_table(
    path: pathlib.Path, columns: Mapping[str, Sequence | np.ndarray], sizes: Sequence[tuple]
) -> None:
    """Writes a table of given columns; for shards that are there, `write_tables` does.

    Args:
        path: see `table_path`.
        columns: all but `video` and `identity`, which follow from others.
        sizes: bytes and number of records of each shard.

    Raises:
        OSError: it cannot be written.
    """
    write_shared(memoryview(_encoded(_arrow(columns), list(sizes))), path)


def fingerprint(lengths: Int64[np.ndarray, " n"], crcs: UInt32[np.ndarray, " n"]) -> str:
    """What identifies records by content, in order: sha256 of their lengths and CRCs, in hex.

    It depends neither on where the records lie nor on how they are divided into shards.
    """
    return hashlib.sha256(np.column_stack([lengths, crcs]).astype("<u8").tobytes()).hexdigest()


def _mapped(directory: pathlib.Path, name: str, split: str) -> ClipTable | None:
    """The table in its file; None where there is none, or of another format, or a damaged one."""
    try:
        with pa.memory_map(str(table_path(directory, name, split))) as file:
            table = ClipTable(directory, name, split, file.read_buffer())
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    table._data = None
    return table


def _reopen(
    directory: pathlib.Path, name: str, split: str, expected: str | None = None
) -> ClipTable:
    table = _mapped(directory, name, split)
    if table is None or expected not in (None, table.fingerprint):
        path = table_path(directory, name, split)
        raise UserError(f"{path} was changed while it was in use; start again")
    return table


def _unpickle(directory: pathlib.Path, name: str, split: str, data: bytes) -> ClipTable:
    return ClipTable(directory, name, split, pa.py_buffer(data))


def _encoded(table: pa.Table, sizes: list[tuple[int, int]]) -> pa.Buffer:
    """The file's bytes; equal records give equal ones."""
    facts = {
        "format": FORMAT,
        "shards": sizes,
        "fingerprint": fingerprint(*(_view(table.column(x).chunk(0)) for x in ("length", "crc"))),
    }
    sink = pa.BufferOutputStream()
    schema = SCHEMA.with_metadata({_KEY: json.dumps(facts).encode()})
    with pa.ipc.new_file(sink, schema) as file:
        columns = [column.chunk(0) for column in table.columns]
        file.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return sink.getvalue()


def _facts(schema: pa.Schema) -> dict[str, Any]:
    facts = json.loads((schema.metadata or {})[_KEY])
    if facts["format"] != FORMAT:
        raise ValueError(f"a clip table of format {facts['format']}, not {FORMAT}")
    return facts


def _read_shards(shards: Sequence[pathlib.Path], lengths: Sequence[int]) -> pa.Table:
    """The table of these shards; each is encoded by itself, so that texts never pile up."""
    parts = [_arrow({name: [] for name in SCHEMA.names})]
    for number, (shard, length) in enumerate(zip(shards, lengths, strict=True)):
        rows = list(_read_shard(number, shard))
        if len(rows) != length:
            raise UserError(
                f"shard {shard} holds {len(rows)} records, dataset_info.json says {length}; "
                "prepare the data set again"
            )
        if rows:
            parts.append(_arrow({name: [row[name] for row in rows] for name in rows[0]}))
    return _combined(parts)


def _read_shard(number: int, shard: pathlib.Path) -> Iterator[dict[str, Any]]:
    """A row a record. Media are not read."""
    index = read_index(shard).tolist()
    if not index:
        return
    with shard.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    view = memoryview(data)
    for offset, length in index:
        try:
            facts = clip_facts(payload_view(view, offset, length))
        except ValueError as error:
            raise RecordError(shard, offset, str(error)) from error
        crc = payload_crc(data, offset, length)
        yield facts | {"shard": number, "offset": offset, "length": length, "crc": crc}


def _arrow(columns: Mapping[str, Sequence | np.ndarray]) -> pa.Table:
    """One chunk a column, repeated texts coded and sorted."""
    columns = dict(columns)
    columns["video"] = [video_of(name) for name in columns["clip_id"]]
    columns["identity"] = [ids[0] if len(ids) else "" for ids in columns["source_ids"]]
    arrays = []
    for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True):
        plain = pa.array(columns[name], pa.large_string() if name in CODED else kind)
        arrays.append(_sorted(plain.dictionary_encode()) if name in CODED else plain)
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _combined(parts: Sequence[pa.Table]) -> pa.Table:
    """One after the other, again one chunk a column."""
    whole = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    columns = {name: whole.column(name).chunk(0) for name in SCHEMA.names}
    arrays = [_sorted(array) if name in CODED else array for name, array in columns.items()]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _sorted(encoded: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same texts, numbered in their order."""
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    codes = rank[_view(encoded.indices)]
    return pa.DictionaryArray.from_arrays(codes, encoded.dictionary.take(pa.array(order)))


def _view(array: pa.Array) -> np.ndarray:
    return array.to_numpy(zero_copy_only=True)


def _size(shard: pathlib.Path) -> int:
    if not shard.is_file():
        raise UserError(f"shard {shard} is missing; prepare the data set again")
    return shard.stat().st_size
