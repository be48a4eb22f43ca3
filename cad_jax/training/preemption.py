"""Turns SIGTERM and SIGINT into a flag, so that the loop can save before it stops."""

import signal
import types


class StopRequest:
    """Context in which the first SIGTERM or Ctrl-C asks the loop to save and stop.

    A second one ends the process at once, as usual. Outside the main thread nothing is changed.

    Attributes:
        signal_name: `SIGTERM`, `SIGINT`, or empty while nobody asked.
    """

    def __init__(self) -> None:
        self.signal_name = ""
        self._previous: dict[int, signal._HANDLER] = {}

    def __bool__(self) -> bool:
        return bool(self.signal_name)

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: signals cannot reach us there
                break
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
