"""The training step by its parts: whose FLOPs and whose bytes.

A part is where the model says so by `jax.named_scope`; what lies in two of them counts for both
together (`vit/attention`). Knows no part's inside.
"""

import collections
import re
from collections.abc import Iterator, Mapping

from cad_jax.flops import products
from cad_jax.lab.compile_report import compile_lowered
from cad_jax.lab.topology import topology_devices
from cad_jax.lab.traffic import moves
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.training.learner import Learner, traced_step

PARTS = (
    "visible", "picture_input", "log_mel", "vit", "whisper", "projector", "cross_attention",
    "sync_curve", "specific_path", "fusion", "student", "attention", "mlp", "losses", "watch",
    "optimizer",
)  # fmt: skip
_WORD = re.compile(r"\w+")
OTHER = "the rest"


def part_of(name: str) -> str:
    """The part that an operation's name speaks of: `jit(step)/jvp(vit)/dot` is of `vit`."""
    found = dict.fromkeys(word for word in _WORD.findall(name) if word in PARTS)
    return "/".join(found) or OTHER


def by_part(sizes: Iterator[tuple[str, int]]) -> dict[str, int]:
    """Sums of (name, size) by part."""
    total: dict[str, int] = collections.defaultdict(int)
    for name, size in sizes:
        total[part_of(name)] += size
    return total


def step_parts(config: Experiment, topology: str) -> Iterator[str]:
    """Compiles the step as a training would; a line a part, the largest mover first.

    Args:
        config: the experiment; neither data nor weights are read.
        topology: devices that are not at hand, see `topology_devices`.

    Raises:
        UserError: as `topology_devices`, or mesh or batch do not fit.
    """
    devices = topology_devices(topology, config.mesh.slices)
    mesh = experiment_mesh(config, devices)
    traced = traced_step(Learner(config, mesh, make_model(config)))
    flops = by_part(products(traced.jaxpr))
    program = compile_lowered(traced.lower(), quick=False).as_text()
    moved = by_part((move.name, move.size) for move in moves(program))
    yield from part_lines(flops, moved, mesh.size)


def part_lines(flops: Mapping[str, int], moved: Mapping[str, int], devices: int) -> Iterator[str]:
    """The table for people.

    Args:
        flops: of all devices, by part.
        moved: bytes of one device, by part.
        devices: how many.
    """
    work, bytes_ = sum(flops.values()) or 1, sum(moved.values()) or 1
    yield f"{'part':24} {'GFLOP':>8} {'share':>7} {'GB':>8} {'share':>7}   of one device"
    for part in sorted({*flops, *moved}, key=lambda part: -moved.get(part, 0)):
        done, size = flops.get(part, 0), moved.get(part, 0)
        yield (
            f"{part:24} {done / devices / 1e9:8,.1f} {done / work:7.1%} {size / 1e9:8.3f} "
            f"{size / bytes_:7.1%}"
        )
    yield f"{'all':24} {work / devices / 1e9:8,.1f} {'':7} {bytes_ / 1e9:8.3f}"
