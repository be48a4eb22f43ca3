"""The processes that a study starts, and how all of them are stopped."""

import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from cad_jax.parallel.stop_signals import STOPPED


class Processes:
    """Commands that run at the same time, and end together when they are asked to.

    Threads call `run`, the main thread too; `stop` may be the handler of a signal.

    Args:
        launch: what stands before every command: starts it on another machine, hands SIGTERM on to
            it and ends with its code, as SLURM's `srun` does.

    Attributes:
        stopped: whether `stop` was called.
    """

    def __init__(self, launch: Sequence[str] = ()) -> None:
        self._launch, self.stopped = launch, False
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.RLock()  # the handler may interrupt whoever holds it

    def run(self, command: Sequence[str], log: IO[bytes]) -> int:
        """Runs a command to its end; what it says goes to `log`.

        Returns:
            Its exit code; `STOPPED` where it was not begun, after `stop`.

        Raises:
            OSError: there is no such program.
        """
        with self._lock:
            if self.stopped:
                return STOPPED
            launched = [*self._launch, *command]
            process = subprocess.Popen(launched, stdout=log, stderr=subprocess.STDOUT)
            self._running.add(process)
            if self.stopped:  # while it was begun
                process.terminate()
        code = process.wait()
        with self._lock:
            self._running.remove(process)
        return code

    def stop(self) -> None:
        """Asks everything that runs to save and end (SIGTERM); nothing is begun any more."""
        self.stopped = True
        with self._lock:
            for process in self._running:
                process.terminate()
