"""A trace of a few steps, for TensorBoard or Perfetto."""

import pathlib

import jax


class ProfileWindow:
    """Context of a loop in which some steps are traced.

    A loop that ends within the window still leaves the trace of what there was.

    Args:
        folder: for the trace; one of each host.
        first: the first traced step; 0 for none.
        steps: how many.
    """

    def __init__(self, folder: pathlib.Path, first: int, steps: int) -> None:
        self._folder, self._first, self._last = folder, first, first + steps - 1
        self._running = False

    def __enter__(self) -> "ProfileWindow":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def before(self, step: int) -> None:
        """To be called before each step is dispatched."""
        if step == self._first:
            jax.profiler.start_trace(str(self._folder))
            self._running = True

    def after(self, step: int, done: object) -> None:
        """To be called when it is, with its results, which the last traced step is awaited by."""
        if self._running and step == self._last:
            jax.block_until_ready(done)
            self._stop()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
