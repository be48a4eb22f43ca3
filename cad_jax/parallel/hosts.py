"""The processes of one run: how they join, who leads them, what all of them take from the leader.

Every function that agrees on something must be called by every process, in the same order.
"""

import os
import signal

import jax
import numpy as np
from jax.experimental import multihost_utils

from data_pipelines.errors import UserError

# A host that says nothing for so many seconds is dead: the coordinator names it to the others, and
# JAX aborts these (exit code 134), since their collectives would wait for ever.
HEARTBEAT_S = 60

_ENVIRONMENT = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins the other hosts' processes; before anything else of JAX.

    Args:
        coordinator: `host:port` of process 0; by default of the environment variable
            JAX_COORDINATOR_ADDRESS, else detected, and so are the others.
        num_processes: of all hosts; JAX_NUM_PROCESSES.
        process_id: of this one, from 0; JAX_PROCESS_ID.

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
    # JAX notes SIGTERM and goes on. Until the training loop handles it, it ends the process.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def is_lead() -> bool:
    """Whether this process writes, hashes and prints for all."""
    return jax.process_index() == 0


def agree(value: int) -> int:
    """The leader's value, on every process; what the others give is ignored."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


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
