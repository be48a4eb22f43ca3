"""Runs tasks in processes that may hang or die: each loses its own task and nothing else.

Standard pools give up wholly when one process dies and cannot stop a task; hostile media does both.
Knows nothing of what a task is. Processes are spawned: a fork would inherit threads and locks.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal, TypeVar

from data_pipelines.preparation.limits import ProcessLimits

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Failure:
    """A task that ended its process or was ended with it."""

    reason: Literal["timeout", "crashed"]
    detail: str


@dataclasses.dataclass(frozen=True)
class _End:
    """No more results of this task."""


@dataclasses.dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: int = -1  # index of what it works on; -1 while idle
    deadline: float = 0.0


def run_isolated(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    timeout_s: float,
    limits: ProcessLimits | None = None,
) -> Iterator[tuple[int, Result | Failure]]:
    """Applies a function to tasks in processes and yields results as they come.

    Args:
        function: importable by name, or a `functools.partial` of such.
        tasks: picklable.
        workers: number of processes.
        timeout_s: how long one task may take before its process is killed.
        limits: what each process may take of the machine; None: whatever there is.

    Yields:
        (index of the task, its result or `Failure`), in order of completion.

    Raises:
        Exception: whatever `function` raises, once; the other processes are then stopped.
    """
    waiting = iter(range(len(tasks)))
    pool = [_start(function, limits) for _ in range(min(workers, len(tasks)))]
    try:
        for worker in pool:
            _give(worker, tasks, waiting, timeout_s)
        while any(worker.task >= 0 for worker in pool):
            for position, worker in enumerate(pool):
                if worker.task < 0 or not (done := _poll(worker, timeout_s)):
                    continue
                yield worker.task, done[0]
                if isinstance(done[0], Failure):
                    worker = pool[position] = _start(function, limits)
                _give(worker, tasks, waiting, timeout_s)
            _sleep_until_something(pool)
    finally:
        for worker in pool:
            _stop(worker)


def stream_isolated(
    function: Callable[[Task], Iterator[Result]],
    tasks: Sequence[Task],
    timeout_s: float,
    limits: ProcessLimits | None = None,
) -> Iterator[Iterator[Result | Failure]]:
    """Applies a function that yields to tasks, one after the other, in one process.

    The process works ahead of its reader by what a pipe holds: memory does not grow with a task.

    Args:
        function: as for `run_isolated`, but a generator.
        tasks: picklable.
        timeout_s: how long the results of one task may be waited for, all together, before its
            process is killed.
        limits: as `run_isolated`.

    Yields:
        For each task in order its results as they come, the last one a `Failure` where the process
        ended. What is left unread when the next ones are asked for is dropped.

    Raises:
        Exception: as `run_isolated`.
    """
    worker = None
    try:
        for index in range(len(tasks)):
            worker = worker or _start(function, limits)
            _give(worker, tasks, iter([index]), timeout_s)
            yield _results(worker, timeout_s)
            if worker.task >= 0:
                _stop(worker)
                worker = None
    finally:
        if worker:
            _stop(worker)


def _results(worker: _Worker, timeout_s: float) -> Iterator[Any]:
    """What a worker's task yields; it is then idle, or has failed."""
    left = timeout_s
    while True:
        asked = time.monotonic()
        worker.deadline = asked + left
        while not (done := _poll(worker, timeout_s)):
            _sleep_until_something([worker])
        left -= time.monotonic() - asked
        if isinstance(done[0], _End):
            worker.task = -1
            return
        yield done[0]
        if isinstance(done[0], Failure):
            return


def _start(function: Callable, limits: ProcessLimits | None) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, limits), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends when the process does
    _send(ours, function)
    return _Worker(process, ours)


def _stop(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _give(worker: _Worker, tasks: Sequence, waiting: Iterator[int], timeout_s: float) -> None:
    """Hands over the next task, if there is one."""
    worker.task = next(waiting, -1)
    if worker.task >= 0:
        worker.deadline = time.monotonic() + timeout_s
        _send(worker.pipe, tasks[worker.task])


def _send(pipe: Connection, content: object) -> None:
    # It may have died while idle; `_poll` sees that.
    with contextlib.suppress(BrokenPipeError):
        pipe.send(content)


def _poll(worker: _Worker, timeout_s: float) -> tuple[Any] | None:
    """The task's result or failure, in a tuple; None while it is at work."""
    try:
        if worker.pipe.poll():
            ok, content = worker.pipe.recv()
            if not ok:
                raise content
            return (content,)
    except (EOFError, ConnectionResetError):
        _stop(worker)
        return (_manner_of_death(worker.process.exitcode),)
    if time.monotonic() > worker.deadline:
        _stop(worker)
        return (Failure("timeout", f"stopped after {timeout_s:.0f} s"),)
    return None


def _sleep_until_something(pool: list[_Worker]) -> None:
    busy = [worker for worker in pool if worker.task >= 0]
    if busy:
        until = min(worker.deadline for worker in busy) - time.monotonic()
        wait([worker.pipe for worker in busy], timeout=max(until, 0) + 0.01)


def _manner_of_death(code: int | None) -> Failure:
    if code == -signal.SIGXCPU:
        return Failure("timeout", "used up the processor time that a task may take")
    if code is not None and code < 0:
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return Failure("crashed", f"its process was ended by {signal.Signals(-code).name}{hint}")
    return Failure("crashed", f"its process exited with code {code}")


def _serve(pipe: Connection, limits: ProcessLimits | None) -> None:
    """A worker's life: the function, then tasks in, results out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if limits:
        limits.enter()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    function = None
    while True:
        try:
            # The function comes first: with it everything that it needs is imported.
            function = function or pipe.recv()
            task = pipe.recv()
        except EOFError:
            return
        if limits:
            limits.begin_task()
        try:
            result = function(task)
            if isinstance(result, Iterator):
                for item in result:
                    pipe.send((True, item))
                result = _End()
            answer = True, result
        except Exception as error:
            answer = False, error
        pipe.send(answer)


def _die_with_parent() -> None:
    """A killed parent must not leave writers behind that a resumed run would meet."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
