"""Jobs in SQLite: accepted, claimed, answered. The file is all that processes share.

A job is accepted when it is on the disk; from then on it is answered, whatever is killed meanwhile.
Whoever claims jobs holds them by a lease that it has to renew; a lease that ran out is anybody's.
"""

import contextlib
import json
import pathlib
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

LEASE_S = 15.0
MOST_ATTEMPTS = 3  # a job that outlives so many processes is what ends them

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  file TEXT NOT NULL,
  client TEXT NOT NULL,
  accepted REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  claim TEXT NOT NULL DEFAULT '',
  lease REAL NOT NULL DEFAULT 0,
  finished REAL,
  answer TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS open_jobs ON jobs (accepted) WHERE finished IS NULL;
CREATE INDEX IF NOT EXISTS recent_jobs ON jobs (client, accepted);
CREATE TABLE IF NOT EXISTS reports (id TEXT PRIMARY KEY, page BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS totals (
  name TEXT NOT NULL, label TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (name, label)
) STRICT;
"""

Answer = Mapping[str, Any]  # {"verdict": ...} or {"error": {"code": ..., "message": ...}}


class Job(NamedTuple):
    """A job as whoever works on it sees it.

    Attributes:
        id: nobody guesses it; whoever knows it may read the answer.
        name: what the uploader calls the file; shown, never opened.
        file: its name in the folder of uploads.
        attempts: how often it was claimed, this time included.
    """

    id: str
    name: str
    file: str
    attempts: int


class State(NamedTuple):
    """A job as its uploader sees it.

    Attributes:
        name: of the file.
        state: `waiting`, `running` or `done`.
        ahead: unanswered jobs before it.
        answer: of a job that is done.
        reported: whether there is a report on it.
    """

    name: str
    state: str
    ahead: int
    answer: Answer | None
    reported: bool = False


def new_id() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(16)


class Jobs:
    """The jobs of a folder.

    Args:
        path: of the database, made where it is not there.

    Raises:
        sqlite3.Error: as every method: it cannot be read or written.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        with contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for writers
            connection.executescript(_SCHEMA)

    def accept(self, job: Job, client: str, size: int) -> None:
        """Notes a job whose upload is complete; when this returns it survives a power cut."""
        with self._writing() as sql:
            sql.execute(
                "INSERT INTO jobs (id, name, file, client, accepted) VALUES (?, ?, ?, ?, ?)",
                (job.id, job.name, job.file, client, time.time()),
            )
            _add(sql, "accepted", "", 1)
            _add(sql, "bytes", "", size)

    def claim(self, claim: str, most: int) -> list[Job]:
        """The oldest jobs that nobody works on, now held by `claim`; no other process gets them.

        A job that was claimed before comes alone: if it ends its process, no other suffers.
        """
        now = time.time()
        with self._writing() as sql:
            rows = sql.execute(
                "SELECT id, name, file, attempts + 1 FROM jobs"
                " WHERE finished IS NULL AND lease < ? ORDER BY accepted LIMIT ?",
                (now, most),
            ).fetchall()
            jobs = [Job(*row) for row in rows]
            fresh = [job for job in jobs if job.attempts == 1]
            jobs = jobs[:1] if jobs and jobs[0].attempts > 1 else fresh
            sql.executemany(
                "UPDATE jobs SET claim = ?, lease = ?, attempts = attempts + 1 WHERE id = ?",
                [(claim, now + LEASE_S, job.id) for job in jobs],
            )
        return jobs

    def renew(self, claim: str) -> None:
        """Holds what was claimed for another `LEASE_S`."""
        with self._writing() as sql:
            sql.execute(
                "UPDATE jobs SET lease = ? WHERE claim = ? AND finished IS NULL",
                (time.time() + LEASE_S, claim),
            )

    def release(self, claim: str) -> None:
        """Gives back what was claimed and is not answered, as if it had never been claimed."""
        with self._writing() as sql:
            sql.execute(
                "UPDATE jobs SET claim = '', lease = 0, attempts = attempts - 1"
                " WHERE claim = ? AND finished IS NULL",
                (claim,),
            )

    def finish(
        self, job: Job, claim: str, answer: Answer, label: str, report: bytes | None = None
    ) -> bool:
        """Answers a job.

        Args:
            job: as claimed.
            claim: that holds it.
            answer: JSON-ready.
            label: what it is counted as.
            report: a page of HTML, kept as long as the answer; None where there is none.

        Returns:
            False if another process holds it by now: the answer is that one's.
        """
        now = time.time()
        with self._writing() as sql:
            row = sql.execute(
                "UPDATE jobs SET finished = ?, answer = ? WHERE id = ? AND claim = ?"
                " AND finished IS NULL RETURNING accepted",
                (now, json.dumps(answer, allow_nan=False), job.id, claim),
            ).fetchone()
            if row:
                if report is not None:
                    sql.execute("INSERT INTO reports VALUES (?, ?)", (job.id, report))
                _add(sql, "answered", label, 1)
                _add(sql, "seconds", "", now - row[0])
        return row is not None

    def state(self, id_: str) -> State | None:
        """What became of a job; None if there is none, or its answer was deleted."""
        with self._reading() as sql:
            row = sql.execute(
                "SELECT name, accepted, lease, finished, answer, reports.id IS NOT NULL"
                " FROM jobs LEFT JOIN reports USING (id) WHERE id = ?",
                (id_,),
            ).fetchone()
            if row is None:
                return None
            name, accepted, lease, finished, answer, reported = row
            if finished is not None:
                return State(name, "done", 0, json.loads(answer), bool(reported))
            (ahead,) = sql.execute(
                "SELECT count(*) FROM jobs WHERE finished IS NULL AND accepted < ?", (accepted,)
            ).fetchone()
        return State(name, "running" if lease >= time.time() else "waiting", ahead, None)

    def report(self, id_: str) -> bytes | None:
        """The report on a job's file; None if there is none, or it was deleted."""
        with self._reading() as sql:
            row = sql.execute("SELECT page FROM reports WHERE id = ?", (id_,)).fetchone()
        return row and row[0]

    def shed_reports(self, most_bytes: int) -> None:
        """Deletes the oldest reports until no more than `most_bytes` are left of them."""
        with self._writing() as sql:
            sql.execute(
                "DELETE FROM reports WHERE id IN (SELECT id FROM (SELECT id,"
                " sum(length(page)) OVER (ORDER BY finished DESC, id) AS total"
                " FROM reports JOIN jobs USING (id)) WHERE total > ?)",
                (most_bytes,),
            )

    def recent(self, client: str, seconds: float) -> int:
        """How many jobs of a client were accepted in the last `seconds`."""
        with self._reading() as sql:
            (count,) = sql.execute(
                "SELECT count(*) FROM jobs WHERE client = ? AND accepted > ?",
                (client, time.time() - seconds),
            ).fetchone()
        return count

    def unanswered(self) -> dict[str, int]:
        """Jobs that wait, and that somebody works on."""
        with self._reading() as sql:
            all_, running = sql.execute(
                "SELECT count(*), coalesce(sum(lease >= ?), 0) FROM jobs WHERE finished IS NULL",
                (time.time(),),
            ).fetchone()
        return {"waiting": all_ - running, "running": running}

    def count(self, name: str, label: str = "") -> None:
        """Adds one to a total."""
        with self._writing() as sql:
            _add(sql, name, label, 1)

    def totals(self) -> dict[tuple[str, str], float]:
        """All totals since the folder was made, of all processes, by name and label."""
        with self._reading() as sql:
            rows = sql.execute("SELECT name, label, value FROM totals")
            return {(name, label): value for name, label, value in rows}

    def forget(self, keep_s: float, address_s: float) -> set[str]:
        """Deletes answers and reports after `keep_s`, and who uploaded what after `address_s`.

        Returns:
            Names of the uploads that are still needed.
        """
        now = time.time()
        with self._writing() as sql:
            sql.execute("DELETE FROM jobs WHERE finished < ?", (now - keep_s,))
            sql.execute("DELETE FROM reports WHERE id NOT IN (SELECT id FROM jobs)")
            sql.execute(
                "UPDATE jobs SET client = '' WHERE client <> '' AND accepted < ?",
                (now - address_s,),
            )
            return {file for (file,) in sql.execute("SELECT file FROM jobs WHERE finished IS NULL")}

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30.0, isolation_level=None)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(self._connect()) as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing."""
        with self._reading() as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            yield connection  # closed without a commit where it raises
            connection.execute("COMMIT")


def _add(sql: sqlite3.Connection, name: str, label: str, value: int | float) -> None:
    sql.execute(
        "INSERT INTO totals VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (name, label, value),
    )
