"""Where clips are prepared: in processes of this machine or in an Apache Beam pipeline.

Both do the same work through the same spool, a clip at a time in a process that may hang or die, so
the bytes, the reasons and what an interruption leaves behind are the same. Knows nothing of shards.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import cv2

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.clock import StageClock
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.spool import Outcome, Spool
from data_pipelines.preparation.workers import Failure, run_isolated
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE
from data_pipelines.records.schema import encode_clip

Task = tuple[int, ClipSource]  # a clip's number in the data set, and what is known of it

# Prepares tasks into the spool and yields (clip's number, outcome) as they are known.
Executor = Callable[[Spool, PrepareSettings, Sequence[Task]], Iterator[tuple[int, Outcome]]]

# Clips that one Beam element holds: they share the start of a process, a minute's work or so.
GROUP = 8
# Beam's own default, DirectRunner, begins by downloading a program.
_IN_PROCESS_RUNNER = "FnApiRunner"


def prepare_one(spool: Spool, settings: PrepareSettings, task: Task) -> Outcome:
    """Prepares one clip into the spool; runs in a worker process.

    Raises:
        OSError: the spool cannot be written, which no other clip would survive either.
    """
    cv2.setNumThreads(1)  # one process a core already
    clip, source = task
    clock, seconds = StageClock(), 0.0

    def payloads() -> Iterator[bytes]:
        nonlocal seconds
        for record in iterate_clips(source, settings, clock):
            seconds += max(len(record.frames) / FRAME_RATE, len(record.audio) / SAMPLE_RATE)
            yield encode_clip(record)

    try:
        with clock.stage("write"):
            parts = spool.write_parts(clip, payloads())
        outcome = Outcome(parts=parts, seconds=seconds, stages=clock.seconds)
    except MediaError as error:
        outcome = Outcome(reason=error.reason, detail=error.detail)
    except OSError:
        raise
    except Exception as error:  # whatever one file provokes, the others go on
        outcome = Outcome(reason="crashed", detail=f"{type(error).__name__}: {error}")
    spool.write_outcome(clip, outcome)
    return outcome


def local_executor(workers: int, timeout_s: float) -> Executor:
    """Prepares clips in `workers` processes of this machine, each clip within `timeout_s`."""

    def execute(
        spool: Spool, settings: PrepareSettings, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Outcome]]:
        function = functools.partial(prepare_one, spool, settings)
        for index, result in run_isolated(function, tasks, workers, timeout_s):
            clip, _ = tasks[index]
            if isinstance(result, Failure):
                result = Outcome(reason=result.reason, detail=result.detail)
                spool.write_outcome(clip, result)
            yield clip, result

    return execute


def beam_executor(workers: int, timeout_s: float, options: Sequence[str]) -> Executor:
    """Prepares clips in an Apache Beam pipeline; outcomes are known when it has ended.

    Results travel through the spool, so on a cluster the output folder and the data set must lie on
    a file system that every worker mounts under the same path, and this package must be installed
    there. A runner may try a clip twice, even at once: attempts do not meet in the spool.

    Args:
        workers: threads of the runner in this process, which is taken unless `options` name one.
        timeout_s: how long one clip may take.
        options: the pipeline's, such as `--runner=FlinkRunner`.

    Raises:
        UserError: Apache Beam is not installed.
    """
    try:
        import apache_beam as beam  # pyright: ignore[reportMissingImports]
        from apache_beam.options import pipeline_options  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("Apache Beam is not installed; it is the extra [beam]") from error
    in_process = [f"--runner={_IN_PROCESS_RUNNER}", f"--direct_num_workers={workers}"]
    flags = [*in_process, "--direct_running_mode=multi_threading", *options]

    def execute(
        spool: Spool, settings: PrepareSettings, tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Outcome]]:
        groups = [
            [(clip, _absolute(source)) for clip, source in tasks[start : start + GROUP]]
            for start in range(0, len(tasks), GROUP)
        ]
        work = functools.partial(_prepare_group, spool.absolute(), settings, timeout_s)
        try:
            with beam.Pipeline(options=pipeline_options.PipelineOptions(flags)) as pipeline:
                _ = pipeline | beam.Create(groups) | beam.Reshuffle() | beam.Map(work)
        except Exception as error:  # each runner has exceptions of its own
            last = str(error).strip().rpartition("\n")[2] or type(error).__name__
            raise UserError(
                f"the Beam pipeline failed: {last}; the same command goes on from here"
            ) from error
        for clip, source in tasks:
            outcome = spool.read_outcome(clip)
            if outcome is None:
                raise UserError(
                    f"the Beam pipeline ended without {source.key}: do its workers see "
                    f"{spool.folder.parent}? It must lie on a file system that all share"
                )
            yield clip, outcome

    return execute


def _prepare_group(
    spool: Spool, settings: PrepareSettings, timeout_s: float, tasks: list[Task]
) -> None:
    """A Beam element's work, on whatever machine: one process does its clips in turn."""
    for _ in local_executor(1, timeout_s)(spool, settings, tasks):
        pass


def _absolute(source: ClipSource) -> ClipSource:
    """The same for processes that start elsewhere."""
    values = {field.name: getattr(source, field.name) for field in dataclasses.fields(source)}
    paths = {n: path.absolute() for n, path in values.items() if isinstance(path, pathlib.Path)}
    return dataclasses.replace(source, **paths)
