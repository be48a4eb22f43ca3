"""Single files, read in a process that may hang or die: what prediction reads of them.

The files may be anybody's: the process has no network where the kernel allows that, writes no file
and is held to limits of memory and processor time. Records come as they are made, so that neither
memory nor disk grows with a file's length.
"""

import contextlib
import functools
import math
import pathlib
from collections.abc import Iterator, Sequence

import cv2

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.errors import MediaError
from data_pipelines.media.provenance import Provenance, read_provenance
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.limits import ProcessLimits
from data_pipelines.preparation.workers import Failure, stream_isolated
from data_pipelines.records.clip import ClipRecord


def guarded_clips(
    sources: Sequence[ClipSource], settings: PrepareSettings, timeout_s: float
) -> Iterator[Iterator[ClipRecord]]:
    """Prepares files one after the other, each within `timeout_s` of waiting for it.

    Yields:
        For each source in order its records, as `iterate_clips` does, which raise `MediaError`
        where the file, or its process, comes to an end. They are there until the next source's are
        asked for.
    """
    work = functools.partial(_records, settings)
    yield from map(_raising, stream_isolated(work, sources, timeout_s, _limits(timeout_s)))


def guarded_provenance(
    paths: Sequence[pathlib.Path], timeout_s: float
) -> Iterator[Iterator[Provenance]]:
    """What each file says of itself, read as `guarded_clips` does; nothing where it cannot be."""
    for found in stream_isolated(provenance, paths, timeout_s, _limits(timeout_s)):
        yield (said for said in found if isinstance(said, Provenance))


def _limits(timeout_s: float) -> ProcessLimits:
    return ProcessLimits(cpu_s=math.ceil(2 * timeout_s))  # decoders have threads


def provenance(path: pathlib.Path) -> Iterator[Provenance]:
    """What a file says of itself; nothing where it cannot be read."""
    with contextlib.suppress(Exception):  # whatever one file provokes, the others go on
        yield read_provenance(path)


def _records(settings: PrepareSettings, source: ClipSource) -> Iterator[ClipRecord | MediaError]:
    """What the process does: records, and the error that ends them as the last one."""
    cv2.setNumThreads(1)  # decoding is one thread's work
    try:
        yield from iterate_clips(source, settings)
    except MediaError as error:
        yield error
    except MemoryError:
        yield MediaError("too_large", "it needs more memory than a file may take")
    except Exception as error:  # whatever one file provokes, the others go on
        yield MediaError("crashed", f"{type(error).__name__}: {error}")


def _raising(records: Iterator[ClipRecord | MediaError | Failure]) -> Iterator[ClipRecord]:
    for record in records:
        if isinstance(record, Failure):
            raise MediaError(record.reason, record.detail)
        if isinstance(record, MediaError):
            raise record
        yield record
