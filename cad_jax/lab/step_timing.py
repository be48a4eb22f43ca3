"""Times the training step on the devices that are there: random weights, one batch, no loader.

Owns what is measured and how. Steps run back to back; only the last result is waited for.
"""

import contextlib
import dataclasses
import pathlib
import time

import jax
import numpy as np

from cad_jax.parallel.host_memory import keep_freed_memory
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.settings.experiment import Experiment, InitConfig
from cad_jax.telemetry.speed import model_flops_use
from cad_jax.training.learner import Learner, model_flops
from cad_jax.training.step import Metrics

WARM_UP = 2  # steps


@dataclasses.dataclass(frozen=True)
class StepTiming:
    """What a number of consecutive steps took.

    Attributes:
        devices: how many of which kind.
        seconds: a step.
        clips_per_second: over all devices.
        model_flops: of a clip, forward, backward and update, recomputation not counted.
        mfu: see `telemetry.speed.model_flops_use`; None where it is not known.
    """

    devices: str
    seconds: float
    clips_per_second: float
    model_flops: float
    mfu: float | None

    def line(self) -> str:
        """The timing for people."""
        mfu = "unknown" if self.mfu is None else f"{self.mfu:.1%}"
        return (
            f"{self.devices}: {self.seconds:.3f} s a step, {self.clips_per_second:.2f} clips/s, "
            f"{self.model_flops / 1e9:,.0f} GFLOP a clip, MFU {mfu}"
        )


def with_features(config: Experiment) -> Experiment:
    """The experiment on stored features."""
    data = dataclasses.replace(config.data, features=True)
    return dataclasses.replace(config, data=data)


class OwnStep:
    """A training step of random weights on one random batch, compiled and warm.

    Args:
        config: what is trained; neither its data nor its weights are read.

    Raises:
        UserError: mesh, rules or batch size do not fit.

    Attributes:
        learner: the experiment on its mesh.
        state, frozen: the parameters.
        batch: genuine clips of noise.
    """

    def __init__(self, config: Experiment) -> None:
        keep_freed_memory()  # as the training command does
        config = dataclasses.replace(config, init=InitConfig())
        mesh = experiment_mesh(config)
        self.learner = Learner(config, mesh, make_model(config))
        self.state, self.frozen = self.learner.init(), self.learner.init_frozen()
        self.batch = _random_batch(self.learner)
        lowered = self.learner.step.lower(self.state, self.frozen, self.batch)  # type: ignore[attr-defined]
        self._compiled = lowered.compile()

    def take(self, steps: int) -> Metrics:
        """Takes steps back to back; the last one's metrics, which are still under way."""
        for _ in range(steps):
            self.state, metrics = self._compiled(self.state, self.frozen, self.batch)
        return metrics

    def seconds(self, steps: int) -> float:
        """What a step takes on average; only the last result is waited for."""
        start = time.perf_counter()
        jax.block_until_ready(self.take(steps))
        return (time.perf_counter() - start) / steps


def time_step(config: Experiment, steps: int, profile: pathlib.Path | None = None) -> StepTiming:
    """Times `steps` training steps.

    Args:
        config: what is trained; neither its data nor its weights are read.
        steps: after the warm-up.
        profile: folder for a trace of them, for TensorBoard or Perfetto.

    Raises:
        UserError: mesh, rules or batch size do not fit.
    """
    step = OwnStep(config)
    jax.block_until_ready(step.take(WARM_UP))
    with jax.profiler.trace(str(profile)) if profile else contextlib.nullcontext():
        seconds = step.seconds(steps)
    clips, flops, devices = config.data.batch_size, model_flops(step.learner), jax.devices()
    kind = devices[0].device_kind
    return StepTiming(
        devices=f"{len(devices)} x {kind}",
        seconds=seconds,
        clips_per_second=clips / seconds,
        model_flops=flops / clips,
        mfu=model_flops_use(flops, seconds, len(devices), kind),
    )


def _random_batch(learner: Learner) -> dict[str, jax.Array]:
    """Genuine clips of noise: every loss term is at work."""
    rng = np.random.default_rng(0)

    def values(name: str, target: jax.ShapeDtypeStruct) -> np.ndarray:
        if target.dtype == bool:
            return np.ones(target.shape, bool)
        if name.startswith("label"):
            return np.full(target.shape, name == "label_sync", target.dtype)
        if np.issubdtype(target.dtype, np.floating):
            return rng.uniform(0, 1, target.shape).astype(target.dtype)
        if name in ("pair", "clip_index"):
            return np.arange(len(target), dtype=target.dtype)
        return rng.integers(0, 255, target.shape).astype(target.dtype)

    return {
        name: jax.device_put(values(name, target), target.sharding)
        for name, target in learner.batch_target.items()
    }
