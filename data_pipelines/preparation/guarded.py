"""Clips of single files, decoded in a process that may hang or die: what prediction reads.

The guard is preparation's own (`executors`); records travel through files, so that memory does not
grow with a file's length.
"""

import pathlib
import tempfile
from collections.abc import Iterator, Sequence

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.executors import local_executor
from data_pipelines.preparation.spool import Outcome, Spool, claim
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.schema import decode_clip
from data_pipelines.records.tfrecord import read_payloads


def guarded_clips(
    sources: Sequence[ClipSource], settings: PrepareSettings, timeout_s: float
) -> Iterator[Iterator[ClipRecord]]:
    """Prepares files one after the other, each within `timeout_s`.

    Yields:
        For each source in order its records, as `iterate_clips` does. They are there until the next
        source's are asked for; the first one raises `MediaError` where there are none.

    Raises:
        OSError: the temporary folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        claim(folder, "")
        spool = Spool(folder)
        tasks = list(enumerate(sources))
        for clip, outcome in local_executor(1, timeout_s)(spool, settings, tasks):
            parts = [spool.part(clip, number) for number in range(len(outcome.parts))]
            yield _records(outcome, parts)
            for part in parts:
                part.unlink()


def _records(outcome: Outcome, parts: list[pathlib.Path]) -> Iterator[ClipRecord]:
    if outcome.reason:
        raise MediaError(outcome.reason, outcome.detail)
    for part in parts:
        yield from map(decode_clip, read_payloads(part))
