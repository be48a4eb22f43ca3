"""Clips of single files, decoded in a process that may hang or die: what prediction reads.

The files may be anybody's: the process has no network where the kernel allows that, writes no file
and is held to limits of memory and processor time. Records come as they are made, so that neither
memory nor disk grows with a file's length.
"""

import functools
import math
from collections.abc import Iterator, Sequence

import cv2

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.errors import MediaError
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
    limits = ProcessLimits(cpu_s=math.ceil(2 * timeout_s))  # decoders have threads
    yield from map(_raising, stream_isolated(work, sources, timeout_s, limits))


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
