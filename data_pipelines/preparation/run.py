"""Prepares a data set: every clip in its own process, what fails counted, what is done kept.

Owns the order of the work: claim the output, prepare clips into the spool, judge the losses, write
shards, then the metadata, whose presence says that the set is complete.
"""

import collections
import csv
import dataclasses
import io
import json
import math
import pathlib
import shutil
import time
from collections.abc import Sequence

import tqdm

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.executors import Executor, beam_executor, local_executor
from data_pipelines.preparation.shards import TARGET_BYTES, plan_shards, write_shards
from data_pipelines.preparation.spool import FORMAT, Outcome, Spool, belongs, claim, fingerprint
from data_pipelines.records.atomic import atomic_writer, write_json
from data_pipelines.records.lock import held
from data_pipelines.records.metadata import INFO_FILE, PREPARATION_FILE, write_metadata
from data_pipelines.records.table import write_tables
from data_pipelines.splits.file import Split

LOCK_FILE = ".lock"
SKIPPED_FILE = "skipped.csv"


@dataclasses.dataclass(frozen=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        clips: files that the data set names.
        windows: records made of them.
        shards: files written.
        skipped: reason -> number of clips.
        media_s: seconds of picture or sound prepared by this run; a resumed one did less.
        wall_s: seconds this run took.
        stages: seconds of work by stage, all processes together.
    """

    clips: int
    windows: int
    shards: int
    skipped: dict[str, int]
    media_s: float
    wall_s: float
    stages: dict[str, float]

    def lines(self) -> list[str]:
        """The report for people."""
        lost = sum(self.skipped.values())
        speed = self.media_s / max(self.wall_s, 1e-9)
        work = max(sum(self.stages.values()), 1e-9)
        shares = [f"{name} {seconds / work:.0%}" for name, seconds in sorted(self.stages.items())]
        reasons = [f"{reason} {count}" for reason, count in sorted(self.skipped.items())]
        return [
            f"prepared {self.clips - lost} of {self.clips} clips: {self.windows} windows in "
            f"{self.shards} shards",
            f"{self.media_s:.1f} s of media in {self.wall_s:.1f} s: {speed:.1f} x real time "
            f"({', '.join(shares) or 'nothing left to do'})",
            f"skipped {lost}{': ' if reasons else ''}{', '.join(reasons)} (see {SKIPPED_FILE})",
        ]


def prepare(
    sources: Sequence[ClipSource],
    settings: PrepareSettings,
    output: pathlib.Path,
    *,
    workers: int = 1,
    max_skipped: float = 0.1,
    timeout_s: float = 900.0,
    shard_bytes: int = TARGET_BYTES,
    beam_options: Sequence[str] | None = None,
    split: Split | None = None,
    progress: bool = False,
) -> PrepareReport:
    """Turns clips into TFRecord shards with TFDS metadata; an interrupted run goes on where it was.

    The shards' bytes depend on the sources and settings alone.

    Args:
        sources: clips of one data set, with unique keys, all with a split.
        settings: how files become records.
        output: folder to make or to go on with.
        workers: processes.
        max_skipped: share of the clips that may be lost before the run counts as failed.
        timeout_s: how long one clip may take.
        shard_bytes: size to fill shards to.
        beam_options: of an Apache Beam pipeline that does the work, see `beam_executor`; None for
            processes of this machine.
        split: what gave the sources their split; recorded with the set.
        progress: show a bar, on a terminal.

    Raises:
        UserError: the output holds something else, a second run is at work in it, or too much was
            lost; nothing is thrown away then.
        OSError: disk full, read-only and the like; names the file.
    """
    if workers < 1:
        raise UserError(f"workers is {workers}; it must be at least 1")
    name = _dataset(sources)
    if beam_options is None:
        execute = local_executor(workers, timeout_s)
    else:
        execute = beam_executor(workers, timeout_s, beam_options)
    mark = fingerprint(sources, settings)
    if belongs(output, mark) and (output / INFO_FILE).exists():
        return _finished_report(output)  # nothing is written: it may lie on a read-only disk
    output.mkdir(parents=True, exist_ok=True)
    with held(output / LOCK_FILE, f"another preparation is at work in {output},"):
        claim(output, mark)
        if (output / INFO_FILE).exists():  # another one has finished it meanwhile
            return _finished_report(output)
        spool = Spool(output)
        started = time.monotonic()
        outcomes, fresh = _prepare_clips(sources, settings, spool, execute, progress)
        _write_skipped(output, sources, outcomes)
        _check_losses(output, outcomes, max_skipped)
        splits = [source.split for source in sources]
        shards = write_shards(output, name, plan_shards(splits, outcomes, shard_bytes), spool)
        stages: collections.Counter[str] = collections.Counter()
        for outcome in fresh:
            stages.update(outcome.stages)
        report = PrepareReport(
            clips=len(sources),
            windows=sum(part.num_records for outcome in outcomes for part in outcome.parts),
            shards=sum(len(summaries) for summaries in shards.values()),
            skipped=_reasons(outcomes),
            media_s=math.fsum(outcome.seconds for outcome in fresh),
            wall_s=time.monotonic() - started,
            stages=dict(stages),
        )
        _finish(output, name, mark, shards, settings, report, split)
    return report


def _prepare_clips(
    sources: Sequence[ClipSource],
    settings: PrepareSettings,
    spool: Spool,
    execute: Executor,
    progress: bool,
) -> tuple[list[Outcome], list[Outcome]]:
    """The outcomes of all clips in order, and those of this run."""
    known = {clip: spool.read_outcome(clip) for clip in range(len(sources))}
    outcomes = {clip: outcome for clip, outcome in known.items() if outcome and outcome.final}
    tasks = [(clip, source) for clip, source in enumerate(sources) if clip not in outcomes]
    hidden = not progress or None  # None: where there is no terminal
    bar = tqdm.tqdm(total=len(sources), initial=len(outcomes), unit="clip", disable=hidden)
    fresh = []
    with bar:
        for clip, outcome in execute(spool, settings, tasks):
            if outcome.reason and progress:
                bar.write(f"skipped {sources[clip].key}: {outcome.reason}: {outcome.detail}")
            outcomes[clip] = outcome
            fresh.append(outcome)
            bar.update()
    return [outcomes[clip] for clip in range(len(sources))], fresh


def _dataset(sources: Sequence[ClipSource]) -> str:
    names = {source.dataset for source in sources}
    if len(names) != 1:
        raise UserError(f"one data set at a time; got {', '.join(sorted(names)) or 'no clip'}")
    keys = collections.Counter(source.key for source in sources)
    key, count = keys.most_common(1)[0]
    if count > 1:
        raise UserError(f"{count} clips are called {key!r}; names must be unique")
    unsplit = [source.key for source in sources if not source.split]
    if unsplit:
        raise UserError(
            f"{len(unsplit)} clips have no split, e.g. {unsplit[0]!r}; divide them first"
        )
    return names.pop()


def _reasons(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(collections.Counter(outcome.reason for outcome in outcomes if outcome.reason))


def _write_skipped(
    output: pathlib.Path, sources: Sequence[ClipSource], outcomes: Sequence[Outcome]
) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["clip", "reason", "detail"])
    for source, outcome in zip(sources, outcomes, strict=True):
        if outcome.reason:
            rows.writerow([source.key, outcome.reason, outcome.detail])
    with atomic_writer(output / SKIPPED_FILE) as write:
        write(text.getvalue().encode())


def _check_losses(output: pathlib.Path, outcomes: Sequence[Outcome], max_skipped: float) -> None:
    reasons = _reasons(outcomes)
    lost = sum(reasons.values())
    if lost > max_skipped * len(outcomes) or lost == len(outcomes):
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        raise UserError(
            f"{lost} of {len(outcomes)} clips were lost ({listed}), more than the "
            f"{max_skipped:.0%} allowed; see {output / SKIPPED_FILE}"
        )


def _finish(
    output: pathlib.Path,
    name: str,
    mark: str,
    shards: dict,
    settings: PrepareSettings,
    report: PrepareReport,
    split: Split | None,
) -> None:
    """Records how the set was made, then declares it complete and clears the working folder."""
    facts = {
        "fingerprint": mark,
        "format": FORMAT,
        "settings": dataclasses.asdict(settings),
        "report": dataclasses.asdict(report),
        "split": split.stamp() if split else None,
    }
    write_json(facts, output / PREPARATION_FILE)
    divided = f"; split {split.name}, {split.sha256[:12]}" if split else ""
    description = f"{name}, prepared face clips with sound{divided}"
    write_metadata(output, name, shards, description=description)
    write_tables(output)
    shutil.rmtree(output / ".work")
    (output / LOCK_FILE).unlink()


def _finished_report(output: pathlib.Path) -> PrepareReport:
    shutil.rmtree(output / ".work", ignore_errors=True)
    file = output / PREPARATION_FILE
    try:
        report = PrepareReport(**json.loads(file.read_bytes())["report"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged; remove {output} and prepare again") from error
    return dataclasses.replace(report, media_s=0.0, wall_s=0.0, stages={})
