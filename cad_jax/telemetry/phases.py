"""Goodput: every second of a run belongs to one phase, added up over all its starts.

Owns the phases and the file that keeps them; knows nothing of what is done in a phase.
"""

import contextlib
import dataclasses
import json
import logging
import pathlib
import time
from collections.abc import Iterator, Mapping

from data_pipelines.records.atomic import write_json

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PhaseSeconds:
    """What a run has spent, in seconds of one process. Time in which no process ran is none.

    Attributes:
        start: before the first batch is asked for: data, parameters, the checkpoint.
        compile: of the step.
        input: waiting for batches; at most two steps are under way meanwhile.
        step: in steps, until the device is done with them, and in their log.
        checkpoint: waiting for a save; most of it happens beside the steps.
        evaluation: scoring the validation split, compilation included.
        lost: of input, step and evaluation, what a process did after the checkpoint that the next
            one went on from, as far as its last log says: it was done again.
    """

    start: float = 0.0
    compile: float = 0.0
    input: float = 0.0
    step: float = 0.0
    checkpoint: float = 0.0
    evaluation: float = 0.0
    lost: float = 0.0

    @property
    def total(self) -> float:
        return sum(dataclasses.astuple(self))

    @property
    def goodput(self) -> float:
        """The share of all time that went into steps that were not lost."""
        return self.step / max(self.total, 1e-9)

    def line(self) -> str:
        """The shares for people, the largest first."""
        shares = sorted(dataclasses.asdict(self).items(), key=lambda item: -item[1])
        parts = [f"{name} {value / max(self.total, 1e-9):.0%}" for name, value in shares if value]
        return f"{self.total / 60:.1f} min: {', '.join(parts)}"

    def plus(self, phase: str, seconds: float) -> "PhaseSeconds":
        """With more of one phase."""
        return dataclasses.replace(self, **{phase: getattr(self, phase) + seconds})


class PhaseClock:
    """Where a run is, and what it has spent; begins in `start`.

    Args:
        path: the file that keeps it over restarts; None keeps nothing.
        resume_step: the step that the run goes on from; what the file says was done after it is
            lost.
        since: `time.perf_counter()` when the run was started.
    """

    def __init__(self, path: pathlib.Path | None, resume_step: int, since: float) -> None:
        self._path, self._entered, self._phase = path, since, "start"
        self._spent, self._saved = _read(path) if path else (PhaseSeconds(), {})
        self._saved = {step: kept for step, kept in self._saved.items() if step <= resume_step}
        covered = self._saved[max(self._saved)] if self._saved else {}
        for phase in ("input", "step", "evaluation"):
            again = getattr(self._spent, phase) - covered.get(phase, 0.0)
            self._spent = self._spent.plus(phase, -again).plus("lost", again)

    def enter(self, phase: str) -> str:
        """Ends the phase that the run is in, begins another; returns the ended one."""
        now, ended = time.perf_counter(), self._phase
        self._spent = self._spent.plus(ended, now - self._entered)
        self._entered, self._phase = now, phase
        return ended

    @contextlib.contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """The block is this phase; afterwards the run is in the one before."""
        before = self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def read(self) -> PhaseSeconds:
        """What was spent until now."""
        self.enter(self._phase)
        return self._spent

    def saved(self, step: int) -> None:
        """Notes that a checkpoint of `step` covers what was spent until now, and keeps it."""
        self._saved[step] = dataclasses.asdict(self.read())
        self.keep()

    def keep(self) -> None:
        """Writes what was spent until now; a process killed later has spent that."""
        if self._path:
            spent = dataclasses.asdict(self.read())
            write_json({"seconds": spent, "at_checkpoint": self._saved}, self._path)


def _read(path: pathlib.Path) -> tuple[PhaseSeconds, dict[int, Mapping[str, float]]]:
    """The file's seconds, and those at each checkpoint; nothing where there is none."""
    if not path.exists():
        return PhaseSeconds(), {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        saved = {int(step): seconds for step, seconds in kept["at_checkpoint"].items()}
        return PhaseSeconds(**kept["seconds"]), saved
    except (ValueError, KeyError, TypeError) as error:
        log.warning("%s is no file of phases (%s): counted from here on", path, error)
        return PhaseSeconds(), {}
