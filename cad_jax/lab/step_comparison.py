"""Our training step beside PyTorch's, of the same weights and the same batch, in one process.

Owns how the two are compared: alternating rounds, so that whatever else the machine does falls on
both. Needs the extra `[parity]`.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence

import jax
import numpy as np

from cad_jax.lab.parity import reference_libraries
from cad_jax.lab.step_timing import OwnStep
from cad_jax.parallel.rules import match_rules
from cad_jax.settings.experiment import Experiment, MeshConfig
from cad_jax.telemetry.speed import model_flops_use
from cad_jax.training.learner import model_flops
from cad_jax.training.optimizer import learning_rate
from data_pipelines.errors import UserError

CHECKED = 2  # steps: the first one's loss and gradient, and what its update made of the next


@dataclasses.dataclass(frozen=True)
class StepComparison:
    """What both made of the same, and what it took them.

    Attributes:
        ours, theirs: seconds of a step, by round; PyTorch's are `theirs`.
        losses: of the first steps, ours and theirs.
        gradient_norms: likewise.
        mfu: see `telemetry.speed.model_flops_use`, of their median round; None where unknown.
    """

    ours: Sequence[float]
    theirs: Sequence[float]
    losses: tuple[Sequence[float], Sequence[float]]
    gradient_norms: tuple[Sequence[float], Sequence[float]]
    mfu: tuple[float | None, float | None] = (None, None)

    @property
    def ratio(self) -> float:
        """Median over the rounds of our time over PyTorch's."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def difference(self) -> float:
        """The largest relative difference of losses and norms; large where the models differ."""
        return max(
            abs(a - b) / abs(b)
            for pair in (self.losses, self.gradient_norms)
            for a, b in zip(*pair, strict=True)
        )

    def lines(self) -> list[str]:
        """The comparison for people."""
        rounds = [
            f"round {number}: {a:.3f} s a step, PyTorch {b:.3f} s, ratio {a / b:.2f}"
            for number, (a, b) in enumerate(zip(self.ours, self.theirs, strict=True), start=1)
        ]
        same = f"losses and gradient norms differ by {self.difference:.0e} at most"
        mine, torchs = self.mfu
        use = f"; MFU {mine:.1%}, PyTorch {torchs:.1%}" if mine and torchs else ""
        return [*rounds, f"median ratio {self.ratio:.2f}; {same}{use}"]


def compare_with_torch(config: Experiment, steps: int, rounds: int) -> StepComparison:
    """Times both at the peak learning rate, on a GPU if JAX has one, else on the CPU.

    On the CPU in float32, PyTorch eager; on a GPU in the model's dtypes, PyTorch compiled. Nothing
    is recomputed.

    Args:
        config: what is trained; neither its data nor its weights are read.
        steps: timed steps of each in every round.
        rounds: how many.

    Raises:
        UserError: PyTorch is not there, or the twin has no such model.
    """
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    config = _comparable(config, rounded=device == "cuda")
    torch, _ = reference_libraries()
    from cad_jax.lab.torch_step import TorchStep

    ours = OwnStep(config)
    names, optimizer = ours.learner.names[0], config.optimizer
    scales = match_rules(optimizer.decay_scale, names, table="decay_scale")
    schedule = learning_rate(optimizer, config.train.steps)
    rates = [float(np.asarray(schedule(step))) for step in range(CHECKED + steps * rounds)]
    params, frozen = jax.device_get((ours.state.params, ours.frozen))
    decays = {name: optimizer.weight_decay * scales[name] for name in names}
    theirs = TorchStep(config, params, frozen, decays, rates, device)
    batch = {n: torch.from_numpy(np.array(v)).to(device) for n, v in ours.batch.items()}
    mine = [jax.device_get(ours.take(1)) for _ in range(CHECKED)]
    others = [theirs(batch) for _ in range(CHECKED)]
    timed = [(ours.seconds(steps), _seconds(theirs, batch, steps)) for _ in range(rounds)]
    my_seconds, their_seconds = zip(*timed, strict=True)
    flops = model_flops(ours.learner)
    return StepComparison(
        ours=my_seconds,
        theirs=their_seconds,
        losses=([float(m["loss"]) for m in mine], [float(loss) for loss, _ in others]),
        gradient_norms=([float(m["gradient_norm"]) for m in mine], [float(n) for _, n in others]),
        mfu=(_mfu(flops, my_seconds), _mfu(flops, their_seconds)),
    )


def _comparable(config: Experiment, rounded: bool) -> Experiment:
    """The experiment as both can run it; `rounded`: in its own dtypes, else in float32."""
    if config.model.streams != "both" or config.model.fusion != "transformer":
        raise UserError("--against=torch has the whole model only: leave out without=...")
    if config.model.align_tower != "image":
        raise UserError("--against=torch has no lip tower: take another size")
    if any(value != 1.0 for _, value in config.optimizer.rate_scale):
        raise UserError("--against=torch has one learning rate: leave out optimizer.rate_scale")
    model = dataclasses.replace(config.model, remat="none")
    if not rounded:
        model = dataclasses.replace(model, compute_dtype="float32", frozen_dtype="float32")
    data = dataclasses.replace(config.data, features=False)
    optimizer = dataclasses.replace(config.optimizer, warmup_steps=0)
    return dataclasses.replace(
        config, model=model, data=data, optimizer=optimizer, mesh=MeshConfig()
    )


def _mfu(flops: float, seconds: Sequence[float]) -> float | None:
    kind = jax.devices()[0].device_kind
    return model_flops_use(flops, statistics.median(seconds), jax.device_count(), kind)


def _seconds(theirs, batch, steps: int) -> float:
    """What a step takes PyTorch on average; only the last is waited for."""
    start = time.perf_counter()
    for _ in range(steps):
        loss, _ = theirs(batch)
    theirs.wait()
    seconds = (time.perf_counter() - start) / steps
    assert math.isfinite(loss)
    return seconds
