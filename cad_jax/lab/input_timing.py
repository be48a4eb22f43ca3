"""The loader beside the step that it feeds: how much faster a core makes clips than they are used.

Owns what is compared: rows as the loader makes them, one after the other in one thread, without its
threads and buffers. Counted in CPU time, so that other work on the machine changes little; the step
of an accelerator by the clock.
"""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from cad_jax.data import build_data, open_training, sample_training
from cad_jax.lab.step_timing import WARM_UP, OwnStep
from cad_jax.settings.experiment import Experiment
from data_pipelines.loading.draw import TrainingDraws
from data_pipelines.loading.rows import TrainingRow
from data_pipelines.loading.transforms import ClipRow


@dataclasses.dataclass(frozen=True)
class InputTiming:
    """What the loader makes and the step takes, by round.

    Attributes:
        made: clips a second of a core.
        used: clips a second of a core, or of one device that is no CPU.
        unit: `core`, or the device's kind.
    """

    made: Sequence[float]
    used: Sequence[float]
    unit: str

    @property
    def ratio(self) -> float:
        """Median over the rounds of clips made over clips used."""
        return statistics.median(a / b for a, b in zip(self.made, self.used, strict=True))

    def lines(self) -> list[str]:
        """The comparison for people."""
        rounds = [
            f"round {number}: loader {a:.1f} clips/s a core, step {b:.1f} clips/s a {self.unit}, "
            f"ratio {a / b:.1f}"
            for number, (a, b) in enumerate(zip(self.made, self.used, strict=True), start=1)
        ]
        return [*rounds, f"median: a core of the loader feeds {self.ratio:.1f} x a {self.unit}"]


def time_input(config: Experiment, steps: int, rounds: int) -> InputTiming:
    """Times the loader and the training step in turn, each alone.

    Args:
        config: the experiment; its set is made if it can be, its weights are not read.
        steps: in every round, with as many batches of the loader.
        rounds: how many.

    Raises:
        UserError: no such set; mesh, rules or batch size do not fit.
    """
    step, rows, size = OwnStep(config), _rows(build_data(config)), config.data.batch_size

    def take(count: int) -> None:
        jax.block_until_ready(step.take(count))

    def load(count: int) -> None:
        for _ in range(count):
            batch = list(itertools.islice(rows, size))
            jax.tree.map(lambda *values: np.stack(values), *batch)

    take(WARM_UP)
    load(WARM_UP)
    on_cpu = jax.default_backend() == "cpu"
    clock, devices = (time.process_time, 1) if on_cpu else (time.perf_counter, jax.device_count())
    made, used = [], []
    for _ in range(rounds):
        made.append(steps * size / _spent(time.process_time, lambda: load(steps)))
        used.append(steps * size / _spent(clock, lambda: take(steps)) / devices)
    return InputTiming(made, used, "core" if on_cpu else jax.devices()[0].device_kind)


def _rows(config: Experiment) -> Iterator[ClipRow]:
    """The run's rows in its order; what is drawn at random in each is drawn otherwise."""
    source, data = open_training(config.data), config.data
    strata = sample_training(data, source)
    draws = TrainingDraws(source, data.clip, data.applied_augment, seed=config.seed, strata=strata)
    make, rng = TrainingRow(draws), np.random.default_rng(config.seed)
    return (make(draws[row], rng) for row in itertools.count())


def _spent(clock: Callable[[], float], work: Callable[[], None]) -> float:
    start = clock()
    work()
    return clock() - start
