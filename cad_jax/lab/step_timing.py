"""Times the training step on the devices that are there: random weights, one batch, no loader.

Owns what is measured and how. Steps run back to back; only the last result is waited for.
"""

import dataclasses
import pathlib
import time

import jax
import numpy as np

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment, InitConfig
from cad_jax.telemetry.speed import peak_flops
from cad_jax.training.learner import Learner, model_flops

WARM_UP = 2  # steps


@dataclasses.dataclass(frozen=True)
class StepTiming:
    """What a number of consecutive steps took.

    Attributes:
        devices: how many of which kind.
        seconds: a step.
        clips_per_second: over all devices.
        model_flops: of a clip, forward, backward and update, recomputation not counted.
        mfu: model FLOPs use against the devices' bf16 peak; None where that is not known.
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


def time_step(config: Experiment, steps: int, profile: pathlib.Path | None = None) -> StepTiming:
    """Times `steps` training steps.

    Args:
        config: what is trained; neither its data nor its weights are read.
        steps: after the warm-up.
        profile: folder for a trace of them, for TensorBoard or Perfetto.

    Raises:
        UserError: mesh, rules or batch size do not fit.
    """
    config = dataclasses.replace(config, init=InitConfig())
    mesh = make_mesh(config.mesh.data, config.mesh.fsdp, slices=config.mesh.slices)
    learner = Learner(config, mesh, make_model(config))
    state, frozen, batch = learner.init(), learner.init_frozen(), _random_batch(learner)
    take_step = learner.step.lower(state, frozen, batch).compile()  # type: ignore[attr-defined]
    for _ in range(WARM_UP):
        state, metrics = take_step(state, frozen, batch)
    jax.block_until_ready(metrics)
    if profile:
        jax.profiler.start_trace(str(profile))
    start = time.perf_counter()
    for _ in range(steps):
        state, metrics = take_step(state, frozen, batch)
    jax.block_until_ready(metrics)
    seconds = (time.perf_counter() - start) / steps
    if profile:
        jax.profiler.stop_trace()
    clips = config.data.batch_size
    flops, peak = model_flops(learner), peak_flops(jax.devices()[0].device_kind)
    return StepTiming(
        devices=f"{mesh.size} x {jax.devices()[0].device_kind}",
        seconds=seconds,
        clips_per_second=clips / seconds,
        model_flops=flops / clips,
        mfu=flops / seconds / (peak * mesh.size) if peak else None,
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
