"""The processes of one run: how they join, who leads them, and how they agree or fail together.

Every function from `is_lead` on must be called by every process, in the same order.
"""

import contextlib
import hashlib
import os
import pathlib
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from data_pipelines.errors import UserError, one_line

# A host that says nothing for so many seconds is dead to JAX, which then aborts the others (exit
# code 134). `watch` says it sooner, and by name.
HEARTBEAT_S = 60

_NAMED_S = 5.0  # a collective fails at once where a host is gone; `watch` needs a moment

_SHARED_S = 5.0  # within which a network's file system shows a new file everywhere

_TEXT_BYTES = 1000  # of what one host tells the others

T = TypeVar("T")

_ENVIRONMENT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> str | None:
    """Joins the other hosts' processes; before anything else of JAX.

    Args:
        coordinator: `host:port` of process 0; by default of the environment variable
            JAX_COORDINATOR_ADDRESS, else detected, and so are the others.
        num_processes: of all hosts; JAX_NUM_PROCESSES.
        process_id: of this one, from 0; JAX_PROCESS_ID.

    Returns:
        The coordinator, if it was stated and not detected.

    Raises:
        UserError: some of the three are stated, but not all; or none, and no cluster is found.
    """
    address, count, number = _ENVIRONMENT
    coordinator = coordinator or os.environ.get(address)
    num_processes = _number(count) if num_processes is None else num_processes
    process_id = _number(number) if process_id is None else process_id
    stated = (coordinator, num_processes, process_id)
    if any(value is not None for value in stated) and None in stated:
        raise UserError(
            "--coordinator, --num_processes and --process_id (or the environment variables "
            f"{', '.join(_ENVIRONMENT)}) belong together: one of them is missing"
        )
    detection = None if None in stated else "deactivate"
    try:
        jax.distributed.initialize(
            *stated, cluster_detection_method=detection, heartbeat_timeout_seconds=HEARTBEAT_S
        )
    except ValueError as error:
        raise UserError(_cannot_join(error, detected=detection is None)) from error
    # JAX notes SIGTERM and goes on. Until `watch` handles it, it ends the process.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return coordinator


@contextlib.contextmanager
def losses_explained() -> Iterator[None]:
    """Turns a collective that failed into one line, unless a host is gone, whom `watch` names.

    Raises:
        UserError: what was waited for from other hosts failed.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:  # Gloo's are ValueErrors
        if jax.process_count() == 1:
            raise
        time.sleep(_NAMED_S)
        raise UserError(f"work with the other hosts failed: {one_line(error)[:200]}") from error


def is_lead() -> bool:
    """Whether this process writes, hashes and prints for all."""
    return jax.process_index() == 0


def agree(value: int) -> int:
    """The leader's value, on every process; what the others give is ignored."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def gather(text: str) -> list[str]:
    """What each host says, by host; the first thousand bytes of it."""
    if jax.process_count() == 1:
        return [text]
    padded = np.zeros(_TEXT_BYTES, np.uint8)
    encoded = np.frombuffer(text.encode()[:_TEXT_BYTES], np.uint8)
    padded[: len(encoded)] = encoded
    rows = np.asarray(multihost_utils.process_allgather(padded))
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in rows]


def together(work: Callable[[], T]) -> T:
    """Does what may fail on one host alone; its failure is then every host's.

    Args:
        work: without anything that waits for other hosts.

    Raises:
        UserError: it failed on some host; names the first, and why.
    """
    if jax.process_count() == 1:
        return work()
    result: list[T] = []
    fault = ""
    try:
        result.append(work())
    except (UserError, ValueError, OSError) as error:
        fault = one_line(error) or type(error).__name__
    names = gather(socket.gethostname())
    for number, text in enumerate(gather(fault)):
        if text:
            raise UserError(f"host {number} ({names[number]}): {text}")
    return result[0]


def lead_first(work: Callable[[], T]) -> T:
    """As `together`, but the others begin when the leader is done: they find what it made."""
    lead = together(work) if is_lead() else together(lambda: None)
    others = together(lambda: None) if is_lead() else together(work)
    return lead if is_lead() else others  # type: ignore[return-value]


def refuse_unshared(folder: pathlib.Path) -> None:
    """Checks that what the leader writes in a folder is seen by all.

    Raises:
        UserError: on some host the folder is another disk's; names the first.
    """
    if jax.process_count() == 1:
        return
    token = secrets.token_hex(8) if is_lead() else ""
    mark = folder / f".shared-{gather(token)[0]}"

    def look_for() -> None:
        deadline = time.monotonic() + _SHARED_S
        while not mark.exists():
            if time.monotonic() > deadline:
                raise UserError(
                    f"{folder} is not the folder that host 0 writes: name one that all hosts share"
                )
            time.sleep(0.1)

    try:
        lead_first(mark.touch if is_lead() else look_for)
    finally:
        if is_lead():
            mark.unlink(missing_ok=True)


def refuse_different(facts: Mapping[str, str]) -> None:
    """Compares what must be the same on all hosts.

    Args:
        facts: by what it is called in the message.

    Raises:
        UserError: a host has others than host 0; names the first such host, and which.
    """
    hashes = [hashlib.sha256(fact.encode()).hexdigest() for fact in facts.values()]
    told = [text.split() for text in gather(" ".join([socket.gethostname(), *hashes]))]
    for number, (name, *others) in enumerate(told):
        differing = [
            fact
            for fact, ours, theirs in zip(facts, told[0][1:], others, strict=True)
            if ours != theirs
        ]
        if differing:
            raise UserError(
                f"host {number} ({name}) has another {' and another '.join(differing)} than host 0 "
                f"({told[0][0]}): start all hosts alike"
            )


def _number(variable: str) -> int | None:
    text = os.environ.get(variable)
    if text is not None and not text.isdecimal():
        raise UserError(f"environment variable {variable}={text}: not a number")
    return None if text is None else int(text)


def _cannot_join(error: ValueError, *, detected: bool) -> str:
    if not detected:
        return f"--distributed: {error}"
    return (
        "--distributed found no other hosts: looked for --coordinator, --num_processes and "
        f"--process_id, for the environment variables {', '.join(_ENVIRONMENT)}, and for a Cloud "
        "TPU slice, GKE, SLURM, Open MPI and Kubernetes"
    )
