"""The device mesh, its axis names and how a batch lies on it.

Owns the axes `data` and `fsdp`; a batch is split over both. Knows nothing of parameters (see
`rules`), of models or of what a batch contains beyond its leading dimension.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental.mesh_utils import create_hybrid_device_mesh
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from cad_jax.types import Batch
from data_pipelines.errors import UserError

DATA, FSDP = "data", "fsdp"
BATCH_AXES = (DATA, FSDP)


def make_mesh(
    data: int = -1,
    fsdp: int = 1,
    devices: Sequence[jax.Device] | None = None,  # pyright: ignore[reportInvalidTypeForm]
    *,
    slices: int = 1,
) -> Mesh:
    """Makes the (data, fsdp) mesh that every computation of the project runs on.

    The axis types are stated: left to its default, `jax.make_mesh` makes them explicit, and
    `a @ a.T` of a sharded array is then an error.

    Args:
        data: replicas of the parameters; -1 takes what `fsdp` leaves.
        fsdp: devices that share one copy of the parameters; -1 takes what `data` leaves.
        devices: all devices of all processes by default.
        slices: groups of devices that only the data centre's network joins; `data` runs across
            them, slowest, and `fsdp` stays inside each.

    Returns:
        A mesh of data * fsdp devices.

    Raises:
        UserError: both sizes are -1, one is below 1, they do not make up the devices, or there are
            not as many slices.
    """
    devices = jax.devices() if devices is None else list(devices)
    count = len(devices)
    stated = f"mesh data={data}, fsdp={fsdp}"
    if data == fsdp == -1:
        raise UserError(f"{stated}: only one of the two can be -1 (the rest)")
    if any(size < 1 and size != -1 for size in (data, fsdp)):
        raise UserError(f"{stated}: sizes must be positive, or -1 for the rest")
    if data == -1:
        data = max(count // fsdp, 1)
    elif fsdp == -1:
        fsdp = max(count // data, 1)
    if data * fsdp != count:
        raise UserError(f"{stated} does not divide {count} device(s): choose data * fsdp = {count}")
    types = (AxisType.Auto,) * 2
    found = len({getattr(device, "slice_index", 0) for device in devices})
    if slices not in (1, found) or data % slices:
        raise UserError(
            f"{stated}, slices={slices}: the devices make up {found} slice(s), and data must be a "
            "multiple of the slices"
        )
    if slices == 1:
        return jax.make_mesh((data, fsdp), BATCH_AXES, types, devices=devices)
    inside, across = (data // slices, fsdp), (slices, 1)
    return Mesh(create_hybrid_device_mesh(inside, across, devices), BATCH_AXES, types)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading dimension split over all batch axes, everything behind it whole."""
    return NamedSharding(mesh, P(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, P())


def keep_on_batch(x: jax.Array) -> jax.Array:
    """Keeps an activation split by its leading dimension alone, in a step that runs on a mesh.

    Left to itself the compiler may split an activation as the weights are split, and gather the
    whole batch for it; so told, it gathers weights and scatters their gradients. Without a mesh in
    the context (`jax.sharding.use_abstract_mesh`) nothing is said.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, P(BATCH_AXES))


def on_own_clips(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """A function of the rows of a batch, applied by each device to its own.

    For what the compiler does not split by rows: it gathers the whole batch for an FFT. Where the
    context has no mesh, as `keep_on_batch`, the function is applied to all.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return function(x)
    return jax.shard_map(function, in_specs=P(BATCH_AXES), out_specs=P(BATCH_AXES))(x)


def put_batch(batch: Mapping[str, Any], mesh: Mesh) -> Batch:
    """Puts this process's share of a batch on its devices, as slices of the global arrays.

    Args:
        batch: arrays `[b ...]`, b the batch of this process; all processes give the same b.
        mesh: of all processes' devices.

    Returns:
        Global arrays `[b * processes ...]`, split over the batch axes.

    Raises:
        UserError: the global batch does not divide by the devices.
        ValueError: the arrays differ in b.
    """
    sharding = batch_sharding(mesh)
    sizes = {key: len(value) for key, value in batch.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"batch arrays differ in their leading dimension: {sizes}")
    for local in sizes.values():
        check_divides(local * jax.process_count(), mesh)
    return {
        key: jax.make_array_from_process_local_data(sharding, value) for key, value in batch.items()
    }


def batch_shapes(
    row: Mapping[str, np.ndarray | jax.ShapeDtypeStruct], size: int, mesh: Mesh
) -> dict[str, jax.ShapeDtypeStruct]:
    """What `put_batch` gives for a global batch of `size` rows like this one, without making it.

    Raises:
        UserError: the batch does not divide by the devices.
    """
    check_divides(size, mesh)
    sharding = batch_sharding(mesh)
    return {
        key: jax.ShapeDtypeStruct((size, *value.shape), value.dtype, sharding=sharding)
        for key, value in row.items()
    }


def check_divides(size: int, mesh: Mesh, what: str = "global batch", microbatches: int = 1) -> None:
    """Refuses a batch that the devices cannot share evenly, in this many microbatches.

    Raises:
        UserError: names what it is of, and what to choose.
    """
    shares = mesh.size * microbatches
    if size % shares:
        times = f" in {microbatches} microbatches" if microbatches > 1 else ""
        raise UserError(
            f"{what} of {size} clips does not divide by {mesh.size} devices{times}: "
            f"choose a multiple of {shares}"
        )
