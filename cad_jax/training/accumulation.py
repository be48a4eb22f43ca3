"""Gradient accumulation that keeps the batch whole for the losses (GradCache, Gao et al. 2021).

Contrastive terms compare all clips of a batch, and masked means divide by counts of all of it, so
the mean of microbatches' losses is another loss. Here the outputs of all microbatches are computed
first and kept, the objective is differentiated by them, and each microbatch is run again to carry
its outputs' gradient to the parameters: one more forward pass, activations of one microbatch.
Knows nothing of what the objective is.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from cad_jax.parallel.mesh import BATCH_AXES
from cad_jax.types import Batch, Outputs, Params

Fields = dict[str, Array]  # of `Outputs`, by name
Forward = Callable[[Params, Batch], Outputs]
Objective = Callable[[Outputs, Batch], tuple[Float[Array, ""], Any]]


def accumulated_gradient(
    forward: Forward, objective: Objective, params: Params, batch: Batch, count: int, mesh: Mesh
) -> tuple[tuple[Float[Array, ""], Any], Params]:
    """What `jax.value_and_grad` gives of objective(forward(params, batch), batch), in less memory.

    Exact for every term, to rounding: the objective sees the whole batch.

    Args:
        forward: each row's outputs must depend on that row alone; those without a batch dimension,
            on the parameters alone.
        objective: (outputs, batch) -> (loss, whatever else), of the whole batch.
        params: what is differentiated, float32.
        batch: split over the devices of `mesh`; each device's rows divide by `count`.
        count: microbatches, one after another.
        mesh: of the batch.

    Returns:
        ((loss, whatever else), gradient by the parameters' names).
    """
    micro = _split(batch, count, mesh)
    stacked = jax.lax.map(lambda rows: vars(forward(params, rows)), micro)
    outputs = _join(stacked, mesh)

    def of_outputs(learned: Fields):
        return objective(Outputs(**(outputs | learned)), batch)

    learned = _needed(lambda fields: of_outputs(fields)[0], _floating(outputs))
    value, cotangents = jax.value_and_grad(of_outputs, has_aux=True)(learned)

    def again(params: Params, rows: Batch) -> Fields:
        fields = vars(forward(params, rows))
        return {name: fields[name] for name in learned}

    def step(grads: Params, part: tuple[Batch, Fields]):
        rows, cotangent = part
        _, pull_back = jax.vjp(lambda params: again(params, rows), params)
        return jax.tree.map(jnp.add, grads, *pull_back(cotangent)), None

    zeros = jax.tree.map(jnp.zeros_like, params)
    grads, _ = jax.lax.scan(step, zeros, (micro, _shares(cotangents, count, mesh)))
    return value, grads


def _floating(outputs: Fields) -> Fields:
    """The outputs that can have a gradient: not the masks and indices, which are of the batch."""
    return {k: v for k, v in outputs.items() if jnp.issubdtype(v.dtype, jnp.floating)}


def _needed(function: Callable[[Fields], Array], fields: Fields) -> Fields:
    """The fields that a function's value depends on; a gradient of zeros is not carried back."""
    jaxpr = jax.make_jaxpr(function)(fields).jaxpr
    _, needed = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return {name: fields[name] for name, used in zip(sorted(fields), needed, strict=True) if used}


def _split(rows: Any, count: int, mesh: Mesh) -> Any:
    """[b ...] -> [count b/count ...]: every device cuts its own rows, nothing is sent."""
    cut = jax.shard_map(
        lambda x: x.reshape(count, len(x) // count, *x.shape[1:]),
        mesh=mesh,
        in_specs=P(BATCH_AXES),
        out_specs=P(None, BATCH_AXES),
    )
    return jax.tree.map(cut, rows)


def _join(stacked: Fields, mesh: Mesh) -> Fields:
    """The inverse of `_split`; of what has no batch dimension, all copies are the same."""
    join = jax.shard_map(
        lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]),
        mesh=mesh,
        in_specs=P(None, BATCH_AXES),
        out_specs=P(BATCH_AXES),
    )
    return {name: x[0] if x.ndim == 1 else join(x) for name, x in stacked.items()}


def _shares(cotangents: Fields, count: int, mesh: Mesh) -> Fields:
    """Each microbatch's share; what has no batch dimension counts once, with the first."""
    first = jnp.arange(count) == 0
    return {
        name: jnp.where(first, x, 0.0) if x.ndim == 0 else _split(x, count, mesh)
        for name, x in cotangents.items()
    }
