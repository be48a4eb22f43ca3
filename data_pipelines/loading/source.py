"""Random access to the clips of a prepared split, or of several sets' splits, for Grain.

Owns access to records, naming what is broken on disk, and the clips' columns by position. Knows
nothing of windows, images or batches.
"""

import functools
import logging
import mmap
import operator
import os
import pathlib
from collections.abc import Sequence
from typing import Literal, SupportsIndex

import numpy as np
from jaxtyping import Int, Int32, Shaped

from data_pipelines.errors import UserError
from data_pipelines.loading.sample import Sample
from data_pipelines.records.clip import REAL, UNKNOWN, ClipRecord
from data_pipelines.records.metadata import read_metadata
from data_pipelines.records.schema import decode_clip
from data_pipelines.records.table import ClipTable, fingerprint, open_table
from data_pipelines.records.tfrecord import RecordError, read_payload


class TFRecordSource:
    """The clips of one split of a prepared directory; a Grain `RandomAccessDataSource`.

    Clips are read on access through memory maps, with their CRC checked; what is known of them
    without reading them comes from the clip table. A pickled copy (a worker process) opens its own
    maps: of a whole set it carries paths alone, of a part four bytes a clip besides. Replace a
    shard that is in use by renaming, as `write_shard` does: shrinking a mapped file in place kills
    its readers.

    A corrupt record either raises (`on_corrupt="error"`) or is stood in for by the next good one
    (`"skip"`), so that the order of training stays a function of (seed, step) alone. Each is logged
    once and listed in `corrupt`, both per process.

    Attributes:
        corrupt: position -> what is wrong with the record there, for those met so far.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        split: str,
        on_corrupt: Literal["error", "skip"] = "error",
    ) -> None:
        """Opens a split; makes its clip table where that is missing or stale.

        Raises:
            UserError: no such directory, set or split; an empty split; a shard that is missing or
                of another length than described.
            RecordError: a shard was cut short, its framing is damaged or a record is no clip.
        """
        prepared = read_metadata(directory)
        table = open_table(prepared, split)
        if not len(table):
            raise UserError(f"split {split!r} of {prepared.directory} holds no clips")
        self._name = f"{prepared.name}/{split}"
        self._on_corrupt = on_corrupt
        self._tables: tuple[ClipTable, ...] = (table,)
        self._rows: Int32[np.ndarray, " n"] | None = None  # of the tables' joined; None: all
        self._maps: dict[pathlib.Path, mmap.mmap] = {}
        self.corrupt: dict[int, str] = {}

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._rows is None else len(self._rows)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        """The clip at `index`, or under `on_corrupt="skip"` the next one that is intact.

        Raises:
            IndexError: `index` is not in 0 .. len - 1.
            RecordError: the record is corrupt (`"error"`), or all are (`"skip"`).
            UserError: the record is another one than when the table was made.
        """
        position = operator.index(index)
        if not 0 <= position < len(self):
            raise IndexError(f"clip {position} of a source of {len(self)}")
        for _ in range(len(self)):
            try:
                return Sample(position, self._read(position))
            except RecordError as error:
                if self._on_corrupt == "error":
                    raise
                self._note_corrupt(position, error)
                position = (position + 1) % len(self)
        shard = self._tables[0].shards[0]
        raise RecordError(shard, 0, f"not one of the {len(self)} records is intact")

    def __repr__(self) -> str:
        return f"TFRecordSource({self._name}, {len(self)} clips, {self.fingerprint[:12]})"

    def __getstate__(self) -> dict:
        kept = ("_name", "_on_corrupt", "_tables", "_rows", "corrupt")
        return {name: self.__dict__[name] for name in kept} | {"_maps": {}}

    @functools.cached_property
    def fingerprint(self) -> str:
        """What identifies the clips' content, in order; see `records.table.fingerprint`."""
        if self._rows is None and len(self._tables) == 1:
            return self._tables[0].fingerprint
        return fingerprint(self.column("length"), self.column("crc"))

    def column(self, name: str) -> Shaped[np.ndarray, " n"]:
        """What is known of every clip, by position; see `records.table` for the columns.

        Returns:
            Numbers of the column's type; texts as objects. Read-only where the set is whole.

        Raises:
            KeyError: there is no such column.
        """
        if self._rows is None and len(self._tables) == 1:
            return self._tables[0].column(name)
        return self._gathered([table.column(name, rows) for table, rows in self._parts()])

    def coded(self, name: str) -> tuple[Int32[np.ndarray, " n"], Shaped[np.ndarray, " m"]]:
        """A column of repeated texts as numbers by position, and the sorted texts they number.

        Raises:
            KeyError: there is no such column, or its texts do not repeat.
        """
        parts = [table.coded(name, rows) for table, rows in self._parts()]
        if len(parts) == 1:
            return parts[0]
        names, joined = np.unique(np.concatenate([of for _, of in parts]), return_inverse=True)
        starts = np.cumsum([0] + [len(of) for _, of in parts])
        codes = [joined[codes + start] for (codes, _), start in zip(parts, starts, strict=False)]
        return self._gathered(codes).astype(np.int32), names

    @functools.cached_property
    def sets(self) -> Int32[np.ndarray, " n"]:
        """By position, the number of the prepared directory the clip is from."""
        directories = [table.directory for table in self._tables]
        numbers = {directory: i for i, directory in enumerate(dict.fromkeys(directories))}
        of_table = np.array([numbers[directory] for directory in directories], np.int32)
        counts = np.diff(self._starts) if self._rows is None else list(map(len, self._of_table))
        return self._gathered(np.split(np.repeat(of_table, counts), np.cumsum(counts)[:-1]))

    @functools.cached_property
    def pairs(self) -> Int32[np.ndarray, " n"]:
        """By position, the number of the clip's original; -1 where there is none known.

        Originals are numbered by split and sorted `pair_id`: sets may use the same names.
        """
        start, parts = 0, []
        for table, rows in self._parts():
            codes, names = table.coded("pair_id", rows)
            unknown = int(len(names) > 0 and names[0] == "")  # sorted first
            parts.append(np.where(codes < unknown, -1, codes + np.int32(start - unknown)))
            start += len(names) - unknown
        return self._gathered(parts)

    def subset(self, indices: Sequence[int] | Int[np.ndarray, " k"]) -> "TFRecordSource":
        """A source of the clips at `indices`, in that order, renumbered from 0.

        Raises:
            IndexError: an index is not in 0 .. len - 1.
            ValueError: there are none.
        """
        chosen = np.asarray(indices, np.int64)
        if not chosen.size:
            raise ValueError(f"a subset of {self._name} needs at least one clip")
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise IndexError(f"a subset of {self._name} must name clips 0 to {len(self) - 1}")
        rows = chosen.astype(np.int32) if self._rows is None else self._rows[chosen]
        return self._with(self._name, self._tables, rows)

    def genuine(self) -> "TFRecordSource":
        """The clips of which all is known to be genuine (`label` 0), renumbered from 0.

        Raises:
            UserError: there are none.
        """
        chosen = np.flatnonzero(self.column("label") == REAL)
        if not chosen.size:
            raise UserError(f"{self._name} in {self._tables[0].directory} has no genuine clips")
        return self.subset(chosen)

    def check_labelled(self) -> None:
        """Nothing can be learnt from clips of which nothing is known, nor measured on them.

        Raises:
            UserError: no clip has any label; says how to label.
        """
        labels = ("label", "label_video", "label_audio", "label_sync")
        if all((self.column(label) == UNKNOWN).all() for label in labels):
            raise UserError(
                f"no clip of {self._name} in {self._tables[0].directory} has a label: prepare it "
                "with label_video and label_audio (1 fake, 0 real) in manifest.csv, or from "
                "folders real/ and fake/ with --option labels=folders"
            )

    def __add__(self, other: "TFRecordSource") -> "TFRecordSource":
        """The clips of this source, then those of another, renumbered from 0."""
        rows = None
        if self._rows is not None or other._rows is not None:
            rows = np.concatenate([self._all_rows(), other._all_rows() + self._starts[-1]])
        return self._with(f"{self._name} + {other._name}", self._tables + other._tables, rows)

    def _with(
        self, name: str, tables: tuple[ClipTable, ...], rows: Int32[np.ndarray, " n"] | None
    ) -> "TFRecordSource":
        source = object.__new__(type(self))
        source.__dict__ = {
            "_name": name,
            "_on_corrupt": self._on_corrupt,
            "_tables": tables,
            "_rows": rows,
            "_maps": {},
            "corrupt": {},
        }
        return source

    @functools.cached_property
    def _starts(self) -> Int32[np.ndarray, " _"]:
        """The row of the joined tables at which each begins, and the number of all."""
        return np.cumsum([0, *map(len, self._tables)]).astype(np.int32)

    def _all_rows(self) -> Int32[np.ndarray, " n"]:
        return np.arange(len(self), dtype=np.int32) if self._rows is None else self._rows

    @functools.cached_property
    def _of_table(self) -> list[Int32[np.ndarray, " _"]]:
        """For each table the positions of its clips."""
        numbers = np.searchsorted(self._starts, self._all_rows(), side="right") - 1
        return [np.flatnonzero(numbers == i).astype(np.int32) for i in range(len(self._tables))]

    def _parts(self) -> list[tuple[ClipTable, Int32[np.ndarray, " _"] | None]]:
        """Each table with the rows of it that are in use; None for all."""
        if self._rows is None:
            return [(table, None) for table in self._tables]
        return [
            (table, self._rows[positions] - start)
            for table, positions, start in zip(
                self._tables, self._of_table, self._starts, strict=False
            )
        ]

    def _gathered(self, parts: Sequence[np.ndarray]) -> Shaped[np.ndarray, " n"]:
        """By position what `_parts` gave table by table."""
        if len(parts) == 1:
            return parts[0]
        joined = np.concatenate(parts)
        if self._rows is not None:
            ordered = np.empty_like(joined)
            ordered[np.concatenate(self._of_table)] = joined
            return ordered
        return joined

    def _read(self, position: int) -> ClipRecord:
        row = position if self._rows is None else int(self._rows[position])
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        shard, offset, length, crc = self._tables[number].place(row - int(self._starts[number]))
        payload = read_payload(shard, self._map(shard), offset, length, crc)
        try:
            return decode_clip(payload)
        except ValueError as error:
            raise RecordError(shard, offset, str(error)) from error

    def _map(self, shard: pathlib.Path) -> mmap.mmap:
        # Two reader threads may both open a shard; the loser's map is dropped, which is harmless.
        if shard not in self._maps:
            with shard.open("rb") as file:
                self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard]

    def _note_corrupt(self, position: int, error: RecordError) -> None:
        if position not in self.corrupt:
            self.corrupt[position] = str(error)
            logging.warning("Skipping a corrupt record (%d so far): %s", len(self.corrupt), error)
