"""How fast it goes: clips/s, the share spent waiting for input, MFU, memory, stragglers.

Owns the figures' definitions; that of the time, phase by phase, is `phases`.
"""

import collections
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import jax

from cad_jax.telemetry.chips import chip_of
from cad_jax.telemetry.phases import PhaseClock

T = TypeVar("T")

# Steps that the host is ahead of the device: two under way keep it busy. Were it further ahead, it
# would empty the loader's buffer and wait for input that the device has no use for yet.
STEPS_AHEAD = 2


def model_flops_use(flops: float, seconds: float, devices: int, device_kind: str) -> float | None:
    """MFU (Chowdhery et al. 2022, arXiv 2204.02311, appendix B), the one definition of the project.

    Args:
        flops: what the model's definition asks for in that time, on all devices together;
            recomputation is no use.
        seconds: that it took.
        devices: how many.
        device_kind: JAX's name of them.

    Returns:
        The share of the devices' dense bf16 peak, whatever dtype is multiplied; None where the peak
        or the FLOPs (nan: not counted) are not known.
    """
    chip = chip_of(device_kind)
    return None if chip is None or math.isnan(flops) else flops / seconds / (chip.flops * devices)


class StepClock:
    """Measures a training loop between two reports. Evaluation and checkpoints are no part of it.

    Args:
        phases: told when the loop waits for input.
        clips_per_step: global batch size.
        flops_per_step: the model's, of all devices together.
        devices: how many.
        device_kind: JAX's name of them.
    """

    def __init__(
        self,
        phases: PhaseClock,
        clips_per_step: int,
        flops_per_step: float,
        devices: int,
        device_kind: str,
    ) -> None:
        self._phases, self._clips, self._flops = phases, clips_per_step, flops_per_step
        self._devices = (devices, device_kind)
        self._under_way: collections.deque[jax.Array] = collections.deque()
        self._steps, self._before = 0, phases.read()

    def input(self, batches: Iterator[T]) -> Iterator[T]:
        """Passes batches on, counting the time spent waiting for each."""
        while True:
            with self._phases.during("input"):
                try:
                    batch = next(batches)
                except StopIteration:
                    return
            yield batch

    def tick(self, result: jax.Array) -> None:
        """One step was dispatched and will give `result`; waits for the step `STEPS_AHEAD` ago."""
        self._steps += 1
        self._under_way.append(result)
        if len(self._under_way) > STEPS_AHEAD:
            jax.block_until_ready(self._under_way.popleft())

    def report(self) -> dict[str, float]:
        """Figures of the steps since the last report; call when the device is done with them.

        Returns:
            `clips_per_second`; `input_wait`, a share of that time; `mfu` where it is known;
            `goodput` and `<phase>_seconds`, of the whole run.
        """
        spent = self._phases.read()
        waited = spent.input - self._before.input
        seconds = max(waited + spent.step - self._before.step, 1e-9)
        figures = {
            "clips_per_second": self._steps * self._clips / seconds,
            "input_wait": waited / seconds,
            "goodput": spent.goodput,
            **{f"{name}_seconds": value for name, value in vars(spent).items()},
        }
        mfu = model_flops_use(self._steps * self._flops, seconds, *self._devices)
        self._steps, self._before = 0, spent
        return figures if mfu is None else figures | {"mfu": mfu}


def memory_peak(devices: Sequence[jax.Device]) -> dict[str, float]:  # pyright: ignore[reportInvalidTypeForm]
    """`memory_gb`: high water of the fullest device; nothing where a backend does not say."""
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in devices]
    known = [peak for peak in peaks if peak is not None]
    return {"memory_gb": max(known) / 1e9} if known else {}


def compare_hosts(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What only all hosts together show.

    Args:
        figures: of each host, `input_wait` and, where known, `memory_gb`.

    Returns:
        `memory_gb`: of the fullest device of all; `slowest_host`, where there are several: by what
        share of the time the host that waits longest for its input waits longer than the median.
        Steps themselves end together on all hosts, so that is what the others lose by it.
    """
    known = [host["memory_gb"] for host in figures if "memory_gb" in host]
    compared = {"memory_gb": max(known)} if known else {}
    if len(figures) > 1:
        waits = [host["input_wait"] for host in figures]
        compared["slowest_host"] = max(waits) - statistics.median(waits)
    return compared


def speed_line(figures: Mapping[str, float]) -> str:
    """The figures for people; what is not known is left out."""
    forms = {
        "clips_per_second": "{:.1f} clips/s",
        "input_wait": "{:.0%} waiting for input",
        "goodput": "goodput {:.0%}",
        "mfu": "MFU {:.1%}",
        "memory_gb": "{:.1f} GB",
        "slowest_host": "slowest host +{:.0%}",
    }
    return ", ".join(form.format(figures[name]) for name, form in forms.items() if name in figures)
