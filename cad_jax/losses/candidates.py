"""What each clip of the global batch is measured against: every other clip's other modality.

Owns the three forms of that computation, equal in value and gradient, and their choice. `dense` is
the plain definition and leaves the distribution to the compiler; `gather` collects all candidates
on every device; `ring` passes them round and never holds more than one device's share. Knows no
loss: what is made of a row of logits is a `Reduction`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.masks import LOG_ZERO
from cad_jax.parallel.mesh import BATCH_AXES
from cad_jax.settings.loss import Form

# What `auto` lets `gather` hold on a device; a fortieth of the smallest accelerator's memory.
GATHER_BYTES = 400 * 10**6
# Pictures of a block of the ring's logits: large enough for matrix units, small beside its columns.
TILE = 512


class Side(NamedTuple):
    """One modality of some clips, as candidates for the other.

    `index` is the clip's place in the global batch, `pair` its original (-1: none known).
    """

    z: Float[Array, "b d"]
    present: Bool[Array, " b"]
    pair: Int[Array, " b"]
    index: Int[Array, " b"]


Rows = tuple[Float[Array, " b"], Float[Array, " b"]]  # of each picture, of each sound


class Reduction(NamedTuple):
    """How the logits of a clip and its candidates become one number.

    Attributes:
        nothing: of no candidates at all.
        reduce: (logits, axis) -> the number; a logit of LOG_ZERO must change nothing.
        merge: of two disjoint sets of candidates, from their numbers.
        slope: (logits, numbers) -> derivative of the number with respect to each logit, where it
            is a candidate's.
    """

    nothing: float
    reduce: Callable[[Array, int], Array]
    merge: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]


LOGSUMEXP = Reduction(
    nothing=LOG_ZERO,
    reduce=jax.nn.logsumexp,
    merge=jnp.logaddexp,
    slope=lambda logits, reduced: jnp.exp(logits - reduced),
)
SOFTPLUS_SUM = Reduction(
    nothing=0.0,
    reduce=lambda logits, axis: jax.nn.softplus(logits).sum(axis),
    merge=jnp.add,
    slope=lambda logits, _: jax.nn.sigmoid(logits),
)


def over_candidates(
    reduction: Reduction, video: Side, audio: Side, mesh: Mesh, form: Form = "auto"
) -> Rows:
    """Reduces each picture's logits over its candidates, and each sound's.

    A logit is the dot product of a picture and a sound. Every clip is a candidate for all, except
    where its modality is absent and for clips made from the same original, which may share the very
    picture or sound.

    Args:
        reduction: what is made of the logits.
        video, audio: embeddings of the global batch, float32.
        mesh: its batch axes carry b.
        form: see the module; `auto` as `choose_form`.

    Raises:
        ValueError: the form has another name.
    """
    if form == "auto":
        clips, width = video.z.shape
        form = choose_form(clips, width, mesh.size)
    bodies = {"dense": _dense, "gather": _gather, "ring": _ring}
    if form not in bodies:
        raise ValueError(f"form {form!r} is not one of auto, {', '.join(bodies)}")
    body = partial(bodies[form], reduction)
    if form != "dense":
        body = jax.shard_map(body, mesh=mesh, in_specs=P(BATCH_AXES), out_specs=P(BATCH_AXES))
    return body(video, audio)


def choose_form(clips: int, width: int, devices: int) -> Form:
    """`dense` on one device; on more `gather` while it holds at most `GATHER_BYTES`, then `ring`.

    `gather` moves everything at once where `ring` takes as many turns as there are devices, so it
    is preferred where it fits. What it holds grows with the batch's square over the devices.

    Args:
        clips: the global batch.
        width: of a clip's embedding.
        devices: that share the batch.
    """
    if devices == 1:
        return "dense"
    return "gather" if gather_bytes(clips, width, devices) <= GATHER_BYTES else "ring"


def gather_bytes(clips: int, width: int, devices: int) -> int:
    """What `gather` holds on a device, forward and backward, as the compiler plans it.

    Three float32 copies of one side's embeddings of all clips, and two float32 blocks of logits, of
    its own clips with all others, with a byte of mask for each.
    """
    return 3 * 4 * clips * width + 2 * (4 + 1) * clips * clips // devices


def candidate_logits(video: Side, audio: Side) -> Float[Array, "b c"]:
    """Logits of all pairs that are each other's candidates, LOG_ZERO elsewhere.

    Highest precision: the default of TPUs and recent GPUs multiplies float32 in fewer bits.
    """
    logits = jnp.einsum("bd,cd->bc", video.z, audio.z, precision=jax.lax.Precision.HIGHEST)
    return jnp.where(_candidate_mask(video, audio), logits, LOG_ZERO)


def _candidate_mask(video: Side, audio: Side) -> Bool[Array, "b c"]:
    same_clip = video.index[:, None] == audio.index[None, :]
    same_original = (video.pair[:, None] == audio.pair[None, :]) & (video.pair[:, None] >= 0)
    present = video.present[:, None] & audio.present[None, :]
    return present & ~same_clip & ~same_original


def _dense(reduction: Reduction, video: Side, audio: Side) -> Rows:
    logits = candidate_logits(video, audio)
    return reduction.reduce(logits, 1), reduction.reduce(logits, 0)


def _gather(reduction: Reduction, video: Side, audio: Side) -> Rows:
    """Rows of this device's pictures and columns of its sounds, against everything gathered."""
    everyone = partial(jax.lax.all_gather, axis_name=BATCH_AXES, tiled=True)
    all_video, all_audio = jax.tree.map(everyone, (video, audio))
    rows = reduction.reduce(candidate_logits(video, all_audio), 1)
    columns = reduction.reduce(candidate_logits(all_video, audio), 0)
    return rows, columns


def _pass_on(tree: Any) -> Any:
    """Hands every array to the next device of the ring; after one full turn all are home."""
    size = jax.lax.axis_size(BATCH_AXES)
    ring = [(device, (device + 1) % size) for device in range(size)]
    return jax.tree.map(lambda x: jax.lax.ppermute(x, BATCH_AXES, ring), tree)


def _tiles(tree: Any) -> Any:
    """[b ...] -> [b/tile tile ...]."""

    def cut(x: Array) -> Array:
        tile = TILE if len(x) % TILE == 0 else len(x)
        return x.reshape(-1, tile, *x.shape[1:])

    return jax.tree.map(cut, tree)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _ring(reduction: Reduction, video: Side, audio: Side) -> Rows:
    """The same by streaming: sounds travel the ring together with their columns' running number.

    Memory is a few copies of the local embeddings and one block of logits, of at most `TILE` of the
    local pictures where they divide by it: linear in the batch, however many devices there are.
    Left to autodiff, the scans would keep the sounds and logits of every step for the backward
    pass; the rule below computes them again on a second turn instead.
    """
    nothing = jnp.full_like(video.z[:, 0], reduction.nothing)
    tiles = _tiles(video)

    def step(carry, _):
        travelling, columns, rows = carry

        def block(columns, tile):
            logits = candidate_logits(tile, travelling)
            columns = reduction.merge(columns, reduction.reduce(logits, 0))
            return columns, reduction.reduce(logits, 1)

        columns, more = jax.lax.scan(block, columns, tiles)
        travelling, columns = _pass_on((travelling, columns))
        return (travelling, columns, reduction.merge(rows, more.ravel())), None

    size = jax.lax.axis_size(BATCH_AXES)
    (_, columns, rows), _ = jax.lax.scan(step, (audio, nothing, nothing), length=size)
    return rows, columns


def _ring_forward(reduction: Reduction, video: Side, audio: Side):
    reduced = _ring(reduction, video, audio)
    return reduced, (video, audio, reduced)


def _ring_backward(reduction: Reduction, saved, cotangents):
    """d logits = d rows * slope over rows + d columns * slope over columns, block by block."""
    video, audio, (rows, columns) = saved
    d_rows, d_columns = cotangents
    product = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    tiles = _tiles((video, rows, d_rows))

    def step(carry, _):
        (travelling, columns, d_columns, d_audio), d_video = carry

        def block(d_audio, tile):
            video, rows, d_rows = tile
            logits = candidate_logits(video, travelling)
            d_logits = d_rows[:, None] * reduction.slope(logits, rows[:, None])
            d_logits += d_columns[None, :] * reduction.slope(logits, columns[None, :])
            d_logits = jnp.where(_candidate_mask(video, travelling), d_logits, 0.0)
            d_audio += product("bc,bd->cd", d_logits, video.z)
            return d_audio, product("bc,cd->bd", d_logits, travelling.z)

        d_audio, more = jax.lax.scan(block, d_audio, tiles)
        d_video += more.reshape(d_video.shape)
        return (_pass_on((travelling, columns, d_columns, d_audio)), d_video), None

    start = ((audio, columns, d_columns, jnp.zeros_like(audio.z)), jnp.zeros_like(video.z))
    size = jax.lax.axis_size(BATCH_AXES)
    ((_, _, _, d_audio), d_video), _ = jax.lax.scan(step, start, length=size)
    return _cotangent(video, d_video), _cotangent(audio, d_audio)


def _cotangent(side: Side, d_z: Float[Array, "b d"]) -> Side:
    """Flags and indices have no gradient."""
    return side._replace(z=d_z, present=None, pair=None, index=None)


_ring.defvjp(_ring_forward, _ring_backward)
