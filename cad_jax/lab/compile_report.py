"""What one training step costs on a mesh, found by compiling it: no data, no weights, no devices.

Owns the figures and their text. A mesh of more devices than there are is compiled for virtual CPU
devices: parameters, FLOPs and collectives are then those of any backend, temporaries are not.
"""

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterable, Mapping

import jax
import numpy as np

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment, MeshConfig
from cad_jax.training.learner import Learner

_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# `%name = f32[8,16]{1,0} all-reduce(...)`, or a tuple of shapes; `-start` where it is asynchronous.
_OPERATION = re.compile(rf"= (.*?) ({'|'.join(_COLLECTIVES)})(?:-start)?\(")
_SHAPE = re.compile(r"(pred|[a-z]+[0-9]+)\[([0-9,]*)\]")


@dataclasses.dataclass(frozen=True)
class CompileReport:
    """The cost of a step.

    Attributes:
        mesh: axis sizes, and the kind of the devices it was compiled for.
        clips: global batch.
        trainable, frozen: numbers of parameters.
        state_bytes: trainables and optimiser, what a checkpoint holds; over all devices.
        frozen_bytes: frozen parameters, over all devices.
        flops_per_clip: of the forward, backward and update passes, recomputation included.
        argument_bytes, temporary_bytes: of one device: what the step is given, what it needs
            besides while it runs.
        collectives: operation -> (how many, bytes a device gets by them) in one step.
    """

    mesh: str
    clips: int
    trainable: int
    frozen: int
    state_bytes: int
    frozen_bytes: int
    flops_per_clip: float
    argument_bytes: int
    temporary_bytes: int
    collectives: Mapping[str, tuple[int, int]]

    def lines(self) -> list[str]:
        """The report for people."""
        moved = [f"{n} {name} ({_mb(size)})" for name, (n, size) in self.collectives.items()]
        return [
            f"mesh         {self.mesh}, {self.clips} clips a step",
            f"trainable    {self.trainable:,} parameters; with optimiser {_mb(self.state_bytes)}, "
            "the size of a checkpoint",
            f"frozen       {self.frozen:,} parameters, {_mb(self.frozen_bytes)}",
            f"FLOPs        {self.flops_per_clip / 1e9:,.1f} G a clip",
            f"memory       {_mb(self.argument_bytes)} arguments, {_mb(self.temporary_bytes)} "
            "temporaries a device",
            f"collectives  {', '.join(moved) or 'none'} a step and device",
        ]


def compile_report(config: Experiment) -> CompileReport:
    """Compiles the training step of an experiment and reads what it costs.

    Raises:
        UserError: mesh, rules or batch size do not fit.
    """
    mesh = make_mesh(config.mesh.data, config.mesh.fsdp, devices_for(config.mesh))
    learner = Learner(config, mesh, make_model(config))
    state, frozen = learner.target, learner.frozen_target
    compiled = learner.step.lower(state, frozen, learner.batch_target).compile()  # type: ignore[attr-defined]
    memory = compiled.memory_analysis()
    flops = (compiled.cost_analysis() or {}).get("flops", math.nan)  # of one device's program
    sizes = ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    return CompileReport(
        mesh=f"{sizes} ({mesh.devices.flat[0].device_kind})",
        clips=config.data.batch_size,
        trainable=_count(state.params.values()),
        frozen=_count(frozen.values()),
        state_bytes=_bytes(jax.tree.leaves(state)),
        frozen_bytes=_bytes(frozen.values()),
        flops_per_clip=flops * mesh.size / config.data.batch_size,
        argument_bytes=memory.argument_size_in_bytes,
        temporary_bytes=memory.temp_size_in_bytes,
        collectives=count_collectives(compiled.as_text()),
    )


def devices_for(mesh: MeshConfig) -> list[jax.Device] | None:  # pyright: ignore[reportInvalidTypeForm]
    """Virtual CPU devices where both axes are stated and the machine has not as many; else None.

    Takes effect only before JAX has made its first CPU device.
    """
    wanted = mesh.data * mesh.fsdp
    if min(mesh.data, mesh.fsdp) < 1 or wanted == 1:
        return None
    with contextlib.suppress(RuntimeError):  # raised once JAX has made its devices
        jax.config.update("jax_num_cpu_devices", wanted)
    if jax.device_count() == wanted:
        return None
    return jax.devices("cpu")[:wanted]


def count_collectives(program: str) -> dict[str, tuple[int, int]]:
    """How often each collective stands in a compiled program, and the bytes of its results.

    Args:
        program: HLO text of one device's program.
    """
    found: dict[str, tuple[int, int]] = {}
    for shapes, name in _OPERATION.findall(program):
        count, size = found.get(name, (0, 0))
        found[name] = count + 1, size + sum(map(_shape_bytes, _SHAPE.findall(shapes)))
    return dict(sorted(found.items()))


def _shape_bytes(shape: tuple[str, str]) -> int:
    dtype, lengths = shape
    bits = 8 if dtype == "pred" else int(re.sub("[a-z]+", "", dtype, count=1))
    return math.prod(int(length) for length in lengths.split(",") if length) * bits // 8


def _count(leaves: Iterable[jax.ShapeDtypeStruct]) -> int:
    return sum(math.prod(leaf.shape) for leaf in leaves)


def _bytes(leaves: Iterable[jax.ShapeDtypeStruct]) -> int:
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
