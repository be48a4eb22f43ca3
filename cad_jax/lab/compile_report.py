"""What one training step costs on a mesh, found by compiling it: no data, no weights, no devices.

Owns the figures and their text. With a topology it is the compiler of those devices that speaks. A
mesh of more devices than there are is otherwise compiled for virtual CPU devices: parameters, FLOPs
and arguments are then those of any backend, temporaries and collectives are not.
"""

import contextlib
import dataclasses
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from cad_jax.flops import count_flops
from cad_jax.lab.topology import topology_devices
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.settings.experiment import Experiment, MeshConfig
from cad_jax.telemetry.chips import Chip, chip_of
from cad_jax.training.learner import Learner, model_flops, traced_step
from data_pipelines.errors import UserError

_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# `%name = f32[8,16]{1,0} all-reduce(...)`, or a tuple of shapes; `-start` where it is asynchronous.
_OPERATION = re.compile(rf"= (.*?) ({'|'.join(_COLLECTIVES)})(?:-start)?\(")
_CHANNEL = re.compile(r"channel_id=(\d+)")
_EFFORTS = ("exec_time_optimization_effort", "memory_fitting_effort")
_SIZE = r"([\d.]+[KMGT]?)"
_EXCEEDED = re.compile(rf"(?:Used {_SIZE} of|\({_SIZE}\) exceeds available HBM) \(?{_SIZE}")
_SHAPE = re.compile(r"(pred|[a-z]+[0-9]+)\[([0-9,]*)\]")


@dataclasses.dataclass(frozen=True)
class CompileReport:
    """The cost of a step.

    Attributes:
        mesh: axis sizes, and the kind of the devices it was compiled for.
        clips: global batch.
        contrast: how the clips are told apart, and in which form.
        trainable, frozen: numbers of parameters.
        state_bytes: trainables and optimiser, what a checkpoint holds; over all devices.
        frozen_bytes: frozen parameters, over all devices.
        flops_per_clip: of the model's definition: forward, backward and update passes.
        computed_per_clip: the same with what is computed again, see `model.remat`.
        argument_bytes, temporary_bytes: of one device: what the step is given, what it needs
            besides while it runs.
        chip: what a device has; None where it is not known.
        bytes_per_flop: that one device moves in the program that was compiled, a loop's body once
            as its FLOPs; nan where the compiler says nothing or did not take its time.
        collectives: operation -> (how many, bytes a device gets by them) in the program's text.
        seconds: that compiling took.
    """

    mesh: str
    clips: int
    contrast: str
    trainable: int
    frozen: int
    state_bytes: int
    frozen_bytes: int
    flops_per_clip: float
    computed_per_clip: float
    argument_bytes: int
    temporary_bytes: int
    chip: Chip | None
    bytes_per_flop: float
    collectives: Mapping[str, tuple[int, int]]
    seconds: float

    @property
    def peak_bytes(self) -> int:
        """Memory of one device while the step runs; the new state takes the old one's place."""
        return self.argument_bytes + self.temporary_bytes

    @property
    def mfu_bound(self) -> float:
        """Largest use of a device's peak that its memory's bandwidth allows; nan if unknown."""
        if self.chip is None or math.isnan(self.bytes_per_flop):
            return math.nan
        wanted = self.chip.flops * self.bytes_per_flop / self.chip.bandwidth
        return self.flops_per_clip / self.computed_per_clip / max(wanted, 1.0)

    def lines(self) -> list[str]:
        """The report for people."""
        moved = [f"{n} {name} ({_mb(size)})" for name, (n, size) in self.collectives.items()]
        lines = [
            f"mesh         {self.mesh}, {self.clips} clips a step",
            f"contrast     {self.contrast}",
            f"trainable    {self.trainable:,} parameters; with optimiser {_mb(self.state_bytes)}, "
            "the size of a checkpoint",
            f"frozen       {self.frozen:,} parameters, {_mb(self.frozen_bytes)}",
            f"FLOPs        {self.flops_per_clip / 1e9:,.1f} G a clip, with recomputation "
            f"{self.computed_per_clip / 1e9:,.1f} G",
            f"memory       {_mb(self.argument_bytes)} arguments, {_mb(self.temporary_bytes)} "
            "temporaries a device",
        ]
        if self.chip:
            fits = "fits" if self.peak_bytes <= self.chip.memory else "does not fit"
            used, there = self.peak_bytes / 1e9, self.chip.memory / 1e9
            lines.append(f"             {fits}: {used:.1f} of {there:.1f} GB")
        if math.isfinite(self.mfu_bound):
            lines.append(
                f"bandwidth    {1e3 * self.bytes_per_flop:.1f} bytes a kFLOP: MFU is at most "
                f"{100 * self.mfu_bound:.0f} %"
            )
        return [
            *lines,
            f"collectives  {', '.join(moved) or 'none'} a device, in the program's text",
            f"compilation  {self.seconds:.0f} s",
        ]


def compile_report(
    config: Experiment, topology: str = "", *, thorough: bool = False
) -> CompileReport:
    """Compiles the training step of an experiment and reads what it costs.

    Args:
        config: the experiment.
        topology: devices that are not at hand, see `topology_devices`; else those that are, or
            virtual CPU devices.
        thorough: let a TPU's compiler take its time, as a training does. Otherwise memory and
            collectives are right, but the code is slower and moves more.

    Raises:
        UserError: mesh, rules or batch size do not fit, or the step does not fit into the memory.
    """
    mesh, quick = config.mesh, topology.startswith("v") and not thorough
    devices = topology_devices(topology, mesh.slices) if topology else devices_for(mesh)
    return _report(config, devices, quick=quick)


def _report(config: Experiment, devices: Sequence[Any] | None, *, quick: bool) -> CompileReport:
    mesh = experiment_mesh(config, devices)
    learner = Learner(config, mesh, make_model(config))
    state, frozen = learner.target, learner.frozen_target
    traced = traced_step(learner)
    lowered = traced.lower()
    began = time.perf_counter()
    compiled = compile_lowered(lowered, quick=quick)
    seconds = time.perf_counter() - began
    memory = compiled.memory_analysis()
    costs = compiled.cost_analysis() or {}  # of one device's program
    flops = costs.get("flops", math.nan)
    sizes = ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    kind = mesh.devices.flat[0].device_kind
    return CompileReport(
        mesh=f"{sizes} ({kind})",
        clips=config.data.batch_size,
        contrast=learner.contrast,
        trainable=_count(state.params.values()),
        frozen=_count(frozen.values()),
        state_bytes=_bytes(jax.tree.leaves(state)),
        frozen_bytes=_bytes(frozen.values()),
        flops_per_clip=model_flops(learner) / config.data.batch_size,
        computed_per_clip=count_flops(traced.jaxpr) / config.data.batch_size,
        argument_bytes=memory.argument_size_in_bytes,
        temporary_bytes=memory.temp_size_in_bytes,
        chip=chip_of(kind),
        bytes_per_flop=math.nan if quick else costs.get("bytes accessed", math.nan) / flops,
        collectives=count_collectives(compiled.as_text()),
        seconds=seconds,
    )


def largest_batch(config: Experiment, topology: str) -> Iterator[tuple[int, CompileReport | None]]:
    """Doubles the batch, from the experiment's, until the step does not fit any more.

    Yields:
        Each global batch and its report; None for the one that does not fit.

    Raises:
        UserError: as `compile_report`.
    """
    devices = topology_devices(topology, config.mesh.slices)
    clips, quick = config.data.batch_size, topology.startswith("v")
    while True:
        data = dataclasses.replace(config.data, batch_size=clips)
        try:
            report = _report(dataclasses.replace(config, data=data), devices, quick=quick)
        except MemoryFault:
            report = None
        if report and report.chip and report.peak_bytes > report.chip.memory:
            report = None
        yield clips, report
        if report is None:
            return
        clips *= 2


class MemoryFault(UserError):
    """A step does not fit into the memory of the devices."""


def compile_lowered(lowered: Any, *, quick: bool) -> Any:
    """Compiles what was lowered; `quick` tells a TPU's compiler to hurry.

    Raises:
        MemoryFault: it does not fit.
    """
    options = dict.fromkeys(_EFFORTS, -1.0) if quick else {}
    try:
        return lowered.compile(options)
    except jax.errors.JaxRuntimeError as error:
        if found := _EXCEEDED.search(str(error)):
            raise MemoryFault(
                f"does not fit: the step needs {found[1] or found[2]} of a device's {found[3]} "
                "bytes; lower data.batch_size or raise train.microbatches, spread parameters over "
                "more devices (mesh.fsdp), or recompute more (model.remat=all)"
            ) from error
        raise


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
    channels = set()
    for line in program.splitlines():
        if not (operation := _OPERATION.search(line)):
            continue
        shapes, name = operation.groups()
        if channel := _CHANNEL.search(line):  # an asynchronous one may stand there several times
            if channel[1] in channels:
                continue
            channels.add(channel[1])
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
