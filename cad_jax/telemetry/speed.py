"""Where the time goes: clips/s, the share spent waiting for input, goodput, model FLOPs use."""

import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

# Dense bf16 peak of one device in FLOP/s, from the makers' data sheets.
PEAK_FLOPS = {
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
}


def peak_flops(device_kind: str) -> float | None:
    """bf16 peak of one device by its `device_kind`; None where it is not in the table."""
    return next((peak for name, peak in PEAK_FLOPS.items() if device_kind.startswith(name)), None)


class StepClock:
    """Measures a training loop between two reports.

    Goodput is the share of all time since the clock was made that went into steps rather than
    compilation, evaluation, checkpoints or start-up.

    Args:
        clips_per_step: global batch size.
        flops_per_step: of all devices together; None when unknown.
        peak_flops: of all devices together; None when unknown.
    """

    def __init__(
        self, clips_per_step: int, flops_per_step: float | None, peak_flops: float | None
    ) -> None:
        self._clips, self._flops, self._peak = clips_per_step, flops_per_step, peak_flops
        self._born = time.perf_counter()
        self._productive = 0.0
        self.restart()

    def restart(self) -> None:
        """Starts a new interval; what passed since the last report counts as no step."""
        self._start = time.perf_counter()
        self._steps, self._waited = 0, 0.0

    def input(self, batches: Iterator[T]) -> Iterator[T]:
        """Passes batches on, counting the time spent waiting for each."""
        while True:
            before = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._waited += time.perf_counter() - before
            yield batch

    def tick(self) -> None:
        """One step was dispatched."""
        self._steps += 1

    def report(self) -> dict[str, float]:
        """Figures of the interval, which ends here; call when the device is done with it."""
        now = time.perf_counter()
        seconds = max(now - self._start, 1e-9)
        self._productive += seconds
        figures = {
            "clips_per_second": self._steps * self._clips / seconds,
            "input_wait": self._waited / seconds,
            "goodput": self._productive / max(now - self._born, 1e-9),
        }
        if self._flops and self._peak:
            figures["mfu"] = self._steps * self._flops / seconds / self._peak
        self.restart()
        return figures
