"""Random access to the clips of a prepared split, or of several sets' splits, for Grain.

Owns opening, checking and naming what is broken on disk, and the table of clips. Knows nothing of
windows, images or batches.
"""

import functools
import hashlib
import logging
import mmap
import operator
import os
import pathlib
from collections.abc import Sequence
from typing import Literal, NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Int32, Int64

from data_pipelines.errors import UserError
from data_pipelines.records.clip import REAL, ClipRecord
from data_pipelines.records.metadata import read_metadata
from data_pipelines.records.schema import ClipSummary, decode_clip, decode_summary
from data_pipelines.records.tfrecord import RecordError, payload_view, read_index, read_payload


class Sample(NamedTuple):
    """A clip and its position in the source it was read from."""

    index: int
    clip: ClipRecord


class TFRecordSource:
    """The clips of one split of a prepared directory; a Grain `RandomAccessDataSource`.

    Opening it walks the shards' headers; clips are read on access through memory maps, with their
    CRC checked. A pickled copy (a worker process) opens its own maps. Replace a shard that is in
    use by renaming, as `write_shard` does: shrinking a mapped file in place kills its readers.

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
        """Opens a split.

        Raises:
            UserError: no such directory, set or split; an empty split; a shard that is missing or
                of another length than described.
            RecordError: a shard was cut short or its framing is damaged.
        """
        prepared = read_metadata(directory)
        self._name = f"{prepared.name}/{split}"
        self._shards = prepared.shards(split)
        self._on_corrupt = on_corrupt
        entries = []
        for number, (shard, length) in enumerate(
            zip(self._shards, prepared.shard_lengths[split], strict=True)
        ):
            index = _checked_index(shard, length)
            entries.append(np.column_stack([np.full(len(index), number), index]))
        self._entries: Int64[np.ndarray, "n 3"] = (
            np.concatenate(entries) if entries else np.zeros((0, 3), np.int64)
        )
        if not len(self._entries):
            raise UserError(f"split {split!r} of {prepared.directory} holds no clips")
        self._maps: dict[int, mmap.mmap] = {}
        self.corrupt: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        """The clip at `index`, or under `on_corrupt="skip"` the next one that is intact.

        Raises:
            IndexError: `index` is not in 0 .. len - 1.
            RecordError: the record is corrupt (`"error"`), or all are (`"skip"`).
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
        raise RecordError(self._shards[0], 0, f"not one of the {len(self)} records is intact")

    def __repr__(self) -> str:
        digest = hashlib.sha256(self._entries.tobytes()).hexdigest()[:12]
        return f"TFRecordSource({self._name}, {len(self)} clips, {digest})"

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": {}}

    @property
    def directories(self) -> list[pathlib.Path]:
        return list(dict.fromkeys(shard.parent for shard in self._shards))

    @functools.cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(self._entries.tobytes()).hexdigest()

    @functools.cached_property
    def summaries(self) -> tuple[ClipSummary, ...]:
        """Every clip's identity, labels and methods, by position; media are not read.

        Raises:
            RecordError: a record is no clip.
        """
        return tuple(self._summary(position) for position in range(len(self)))

    @functools.cached_property
    def sets(self) -> Int32[np.ndarray, " n"]:
        """By position, the number of the prepared directory the clip is from."""
        directories = [shard.parent for shard in self._shards]
        numbers = {directory: i for i, directory in enumerate(dict.fromkeys(directories))}
        of_shard = np.array([numbers[directory] for directory in directories], np.int32)
        return of_shard[self._entries[:, 0]]

    @functools.cached_property
    def pairs(self) -> Int32[np.ndarray, " n"]:
        """By position, the number of the clip's original; -1 where there is none known.

        Originals are numbered by set and sorted `pair_id`: sets may use the same names.
        """
        ids = [clip.pair_id for clip in self.summaries]
        originals = list(zip(self.sets.tolist(), ids, strict=True))
        known = sorted({original for original in originals if original[1]})
        numbers = {original: number for number, original in enumerate(known)}
        return np.array([numbers.get(original, -1) for original in originals], np.int32)

    def subset(self, indices: Sequence[int]) -> "TFRecordSource":
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
        return self._with(self._name, self._shards, self._entries[chosen])

    def genuine(self) -> "TFRecordSource":
        """The clips of which all is known to be genuine (`label` 0), renumbered from 0.

        Raises:
            UserError: there are none.
        """
        chosen = [i for i, clip in enumerate(self.summaries) if clip.label == REAL]
        if not chosen:
            raise UserError(f"{self._name} in {self._shards[0].parent} has no genuine clips")
        return self.subset(chosen)

    def __add__(self, other: "TFRecordSource") -> "TFRecordSource":
        """The clips of this source, then those of another, renumbered from 0."""
        entries = other._entries + [len(self._shards), 0, 0]
        return self._with(
            f"{self._name} + {other._name}",
            self._shards + other._shards,
            np.concatenate([self._entries, entries]),
        )

    def _with(
        self, name: str, shards: list[pathlib.Path], entries: Int64[np.ndarray, "n 3"]
    ) -> "TFRecordSource":
        source = object.__new__(type(self))
        source.__dict__ = {
            "_name": name,
            "_shards": shards,
            "_on_corrupt": self._on_corrupt,
            "_entries": entries,
            "_maps": {},
            "corrupt": {},
        }
        return source

    def _read(self, position: int) -> ClipRecord:
        number, offset, length = self._entries[position].tolist()
        shard = self._shards[number]
        payload = read_payload(shard, self._map(number), offset, length)
        try:
            return decode_clip(payload)
        except ValueError as error:
            raise RecordError(shard, offset, str(error)) from error

    def _summary(self, position: int) -> ClipSummary:
        number, offset, length = self._entries[position].tolist()
        try:
            with (
                memoryview(self._map(number)) as shard,
                payload_view(shard, offset, length) as view,
            ):
                return decode_summary(view)
        except ValueError as error:
            raise RecordError(self._shards[number], offset, str(error)) from error

    def _map(self, number: int) -> mmap.mmap:
        # Two reader threads may both open a shard; the loser's map is dropped, which is harmless.
        if number not in self._maps:
            with self._shards[number].open("rb") as file:
                self._maps[number] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[number]

    def _note_corrupt(self, position: int, error: RecordError) -> None:
        if position not in self.corrupt:
            self.corrupt[position] = str(error)
            logging.warning("Skipping a corrupt record (%d so far): %s", len(self.corrupt), error)


def _checked_index(shard: pathlib.Path, length: int) -> Int64[np.ndarray, "n 2"]:
    """The shard's index, if it holds as many records as the metadata say."""
    if not shard.is_file():
        raise UserError(f"shard {shard} is missing; prepare the data set again")
    index = read_index(shard)
    if len(index) != length:
        raise UserError(
            f"shard {shard} holds {len(index)} records, dataset_info.json says {length}; "
            "prepare the data set again"
        )
    return index
