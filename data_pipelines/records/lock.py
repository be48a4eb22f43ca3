"""Locks between processes that end with their holder, however it ends.

Owns the lock on a file (`flock`: the kernel lets go of it when the process is gone) and says who
holds it.
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from data_pipelines.errors import UserError


class HeldError(UserError):
    """Another process works there."""


@contextlib.contextmanager
def held(path: str | os.PathLike[str], busy: str | None = None) -> Iterator[None]:
    """Holds a lock while the block runs.

    Args:
        path: the lock's file, made where it is not there, never removed; its folder must exist.
        busy: what is going on there, for the error; None waits until it is over.

    Raises:
        HeldError: another process holds it; says which, where and since when.
        OSError: the file cannot be written.
    """
    with pathlib.Path(path).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            file.seek(0)
            raise HeldError(f"{busy} by {file.read().strip() or 'another process'}") from None
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}\n")
        file.flush()
        yield
