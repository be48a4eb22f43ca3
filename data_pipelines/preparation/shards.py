"""Puts the records of many clips together into shards of even size.

Which clip goes into which shard follows from the list of clips and their records' sizes alone, so
neither the number of workers nor an interruption changes a byte.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from data_pipelines.errors import UserError
from data_pipelines.preparation.spool import Outcome, Spool
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.metadata import shard_name
from data_pipelines.records.tfrecord import ShardSummary

TARGET_BYTES = 150 * 2**20
_FRAMING = 16  # bytes around each payload: length and two checksums


@dataclasses.dataclass
class ShardPlan:
    """A shard to be: its parts as (clip, number), and what they add up to."""

    parts: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    num_records: int = 0
    num_bytes: int = 0

    @property
    def file_bytes(self) -> int:
        return self.num_bytes + _FRAMING * self.num_records


def plan_shards(
    splits: Sequence[str], outcomes: Sequence[Outcome], target_bytes: int
) -> dict[str, list[ShardPlan]]:
    """Fills shards in the clips' order until each has its target.

    Splits without records are left out. No shard exceeds the target unless a single part does,
    and those are at most 128 MiB or one record.
    """
    plans: dict[str, list[ShardPlan]] = {}
    for clip, (split, outcome) in enumerate(zip(splits, outcomes, strict=True)):
        for number, part in enumerate(outcome.parts):
            shards = plans.setdefault(split, [ShardPlan()])
            if shards[-1].parts and shards[-1].num_bytes + part.num_bytes > target_bytes:
                shards.append(ShardPlan())
            shards[-1].parts.append((clip, number))
            shards[-1].num_records += part.num_records
            shards[-1].num_bytes += part.num_bytes
    return plans


def write_shards(
    output: pathlib.Path, name: str, plans: dict[str, list[ShardPlan]], spool: Spool
) -> dict[str, list[ShardSummary]]:
    """Writes the shards that are not there yet and deletes the parts that are in them.

    Returns:
        What `write_metadata` wants.

    Raises:
        UserError: parts are damaged or gone; the next run makes them again.
        OSError: disk full and the like; finished shards stay and the rest is made by the next run.
    """
    summaries: dict[str, list[ShardSummary]] = {}
    for split, shards in plans.items():
        for index, shard in enumerate(shards):
            path = output / shard_name(name, split, index, len(shards))
            if not (path.exists() and path.stat().st_size == shard.file_bytes):
                _write_shard(path, shard, spool)
            for part in shard.parts:
                spool.part(*part).unlink(missing_ok=True)
            summary = ShardSummary(shard.num_records, shard.num_bytes)
            summaries.setdefault(split, []).append(summary)
    return summaries


def _write_shard(path: pathlib.Path, shard: ShardPlan, spool: Spool) -> None:
    """Joins the parts; where they are not what they were, their clips are to be done again."""
    try:
        _concatenate(path, shard, spool)
    except (FileNotFoundError, EOFError):
        for clip, _ in shard.parts:
            spool.forget(clip)
        raise UserError(
            f"work files of {path.name} in {spool.folder} are damaged or gone; the same command "
            "prepares their clips again"
        ) from None


def _concatenate(path: pathlib.Path, shard: ShardPlan, spool: Spool) -> None:
    """TFRecord files have neither header nor trailer: joined, they are one.

    Raises:
        FileNotFoundError: a part is gone.
        EOFError: together they have not the size that they should have.
    """
    size = 0
    with atomic_writer(path) as write:
        for part in shard.parts:
            with spool.part(*part).open("rb") as file:
                while block := file.read(2**20):
                    write(block)
                    size += len(block)
        if size != shard.file_bytes:
            raise EOFError
