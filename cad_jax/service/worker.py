"""Judges jobs in a thread beside the web server; another one keeps the leases and cleans up.

Decoding happens in a process of its own, which the detector starts: what a file does to it becomes
that file's answer.
"""

import contextlib
import logging
import pathlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from cad_jax.service.jobs import LEASE_S, MOST_ATTEMPTS, Answer, Job, Jobs, new_id
from cad_jax.service.settings import MEGABYTE, ServiceSettings
from cad_jax.verdicts.schema import FileVerdict

AT_ONCE = 4  # jobs that share the start of a decoding process
RATE_S = 60.0  # over which uploads of one address are counted, and after which it is forgotten
_IDLE_S = 0.5  # until work of other processes is looked for
_CLEAN_S = 60.0

# Of files, and of what their uploaders call them, yields the verdict on each and the report on it,
# a page of HTML; decoding one may take so many seconds.
Judge = Callable[[Sequence[tuple[pathlib.Path, str]], float], Iterator[tuple[FileVerdict, bytes]]]

_log = logging.getLogger(__name__)


class Worker:
    """Works on the jobs of a folder until it is stopped.

    Attributes:
        jobs: of the folder.
    """

    def __init__(self, settings: ServiceSettings, jobs: Jobs, judge: Judge) -> None:
        self.jobs = jobs
        self._settings, self._judge = settings, judge
        self._claim = new_id()  # of what this process holds
        self._stopped, self._wanted = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(step,), daemon=True, name=step.__name__)
            for step in (self._work, self._keep)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wanted.set()

    def stop(self, within_s: float) -> None:
        """Ends after the file at hand; what is not answered by then is given back."""
        self._stopped.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join(within_s)
        self.jobs.release(self._claim)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self._stopped.is_set():
            try:
                step()
            except (OSError, sqlite3.Error):  # a full disk, say: it may pass
                _log.exception("the service's folder cannot be used")
                self._stopped.wait(1.0)

    def _work(self) -> None:
        self._wanted.clear()
        self._claim = new_id()
        claimed = self.jobs.claim(self._claim, AT_ONCE)
        if not claimed:
            self._wanted.wait(_IDLE_S)
        for job, answer, label, report in self._answers(claimed):
            if self.jobs.finish(job, self._claim, answer, label, report):
                (self._settings.uploads / job.file).unlink(missing_ok=True)
            if self._stopped.is_set():
                return

    def _answers(self, jobs: list[Job]) -> Iterator[tuple[Job, Answer, str, bytes | None]]:
        if jobs and jobs[0].attempts > MOST_ATTEMPTS:
            message = f"{MOST_ATTEMPTS} processes ended while they judged it"
            yield jobs.pop(0), *_error("crashed", message)
        while jobs:
            files = [(self._settings.uploads / job.file, job.name) for job in jobs]
            judged = self._judge(files, float(self._settings.timeout_s))
            while jobs:
                job = jobs.pop(0)
                try:
                    verdict, report = next(judged)
                except Exception:  # a fault of ours, which ends these verdicts, not the others
                    _log.exception("job %s", job.id)
                    yield job, *_error("internal", "the detector failed on this file")
                    break
                yield job, {"verdict": verdict.to_json()}, verdict.verdict, report

    def _keep(self) -> None:
        """Renews the lease; now and then deletes what is no longer needed."""
        started = time.monotonic()
        settings = self._settings
        self.jobs.shed_reports(settings.max_reports_mb * MEGABYTE)
        needed = self.jobs.forget(settings.keep_hours * 3600.0, RATE_S)
        oldest = time.time() - settings.upload_s - _CLEAN_S  # younger ones still arrive
        for path in settings.uploads.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process cleans up, too
                if path.name not in needed and path.stat().st_mtime < oldest:
                    path.unlink()
        while time.monotonic() - started < _CLEAN_S and not self._stopped.is_set():
            self.jobs.renew(self._claim)
            self._stopped.wait(LEASE_S / 3)


def _error(code: str, message: str) -> tuple[Answer, str, None]:
    return {"error": {"code": code, "message": message}}, code, None
