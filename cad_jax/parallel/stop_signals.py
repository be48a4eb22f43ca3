"""SIGTERM and Ctrl-C, taken as one request to stop; who is asked decides what follows from it."""

import signal
import time
import types
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound="StopSignals")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
STOPPED = 143  # the exit code of what was asked to stop, as the shell's for SIGTERM
STOPPED_LINE = "stopped before the end; the same command goes on from there"

# Launchers repeat a signal, and hosts pass it on to each other: within this it is still the first.
_REPEAT_S = 2.0


class StopSignals:
    """Context in which the first SIGTERM or Ctrl-C calls `first` instead of ending the process.

    A later one is for the handlers from before, which usually end the process at once. Outside the
    main thread nothing is changed.

    Args:
        first: called with `SIGTERM` or `SIGINT`, in the main thread, between any two instructions.
    """

    def __init__(self, first: Callable[[str], None]):
        self._first = first
        self._asked_at: float | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self: T) -> T:
        for number in STOP_SIGNALS:
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: signals cannot reach us there
                break
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            self._first(signal.Signals(number).name)
        elif now - self._asked_at > _REPEAT_S:
            self.__exit__()
            signal.raise_signal(number)
