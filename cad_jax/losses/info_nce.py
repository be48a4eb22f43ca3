"""Clip-level InfoNCE over the global batch, symmetric, in three interchangeable forms.

`dense` is the plain definition and leaves the distribution to the compiler; `gather` collects all
candidates on every device; `ring` passes them round and never holds more than one device's share.
The forms differ in `_candidates` alone: what a clip's own pair is measured against.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.clip_embedding import clip_embeddings, is_present
from cad_jax.losses.masks import LOG_ZERO, masked_sum
from cad_jax.losses.term import Term, TermInputs
from cad_jax.parallel.mesh import BATCH_AXES
from cad_jax.settings.loss import Form
from cad_jax.types import MaskedSum


class Side(NamedTuple):
    """One modality of some clips, as candidates for the other.

    `index` is the clip's place in the global batch, `pair` its original (-1: none known).
    """

    z: Float[Array, "b d"]
    present: Bool[Array, " b"]
    pair: Int[Array, " b"]
    index: Int[Array, " b"]


def info_nce(
    z_video: Float[Array, "b d"],
    z_audio: Float[Array, "b d"],
    scale: Float[Array, ""],
    positive: Bool[Array, " b"],
    hard: Bool[Array, " b"],
    has_video: Bool[Array, " b"],
    has_audio: Bool[Array, " b"],
    pair: Int[Array, " b"],
    mesh: Mesh,
    form: Form = "dense",
) -> MaskedSum:
    """Symmetric InfoNCE (van den Oord et al. 2018, eq. 4; symmetric as in Radford et al. 2021).

    With own_i = scale * z_video_i . z_audio_i and others_i the logsumexp over the other clips'
    candidates, an anchor costs

        positive:  -log p_i       = log(exp(own) + exp(others)) - own
        hard:      -log (1 - p_i) = log(exp(own) + exp(others)) - others

    from picture to sound and again from sound to picture. Every clip is a candidate for all, except
    where its modality is absent and for clips made from the same original, which may share the very
    picture or sound. An anchor without candidates costs nothing and does not count.

    Args:
        z_video, z_audio: clip embeddings, float32.
        scale: inverse temperature.
        positive: clips whose own pair is pulled together; genuine in both modalities.
        hard: clips whose own pair is pushed apart; known out of sync. Disjoint from `positive`.
        has_video, has_audio: the modality is there.
        pair: clips made from one original share a number >= 0; -1 is shared with nobody.
        mesh: its batch axes carry b.
        form: `dense`, `gather` or `ring`; equal in value and gradient.

    Returns:
        The sum over anchors and directions, and their number.

    Raises:
        ValueError: the form has another name.
    """
    index = jnp.arange(z_video.shape[0])
    scaled = scale * z_video
    video = Side(scaled, has_video, pair, index)
    audio = Side(z_audio, has_audio, pair, index)
    others = jnp.stack(_candidates(form, mesh)(video, audio))

    own = jnp.sum(scaled * z_audio, axis=-1)
    both = jnp.logaddexp(others, own)
    anchor = (positive | hard) & has_video & has_audio & (others > LOG_ZERO / 2)
    # Rows without candidates are replaced before the difference: own - LOG_ZERO is no loss.
    cost = jnp.where(anchor, both - jnp.where(hard, others, own), 0.0)
    return masked_sum(cost, anchor)


def _candidates(form: Form, mesh: Mesh):
    """The function (video, audio) -> others of each picture [b], others of each sound [b]."""
    if form == "dense":
        return _dense
    if form not in ("gather", "ring"):
        raise ValueError(f"InfoNCE form {form!r} is not one of dense, gather, ring")
    body = _gather if form == "gather" else _ring
    return jax.shard_map(body, mesh=mesh, in_specs=P(BATCH_AXES), out_specs=P(BATCH_AXES))


def negative_logits(video: Side, audio: Side) -> Float[Array, "b c"]:
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


def _dense(video: Side, audio: Side) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    logits = negative_logits(video, audio)
    return jax.nn.logsumexp(logits, axis=1), jax.nn.logsumexp(logits, axis=0)


def _gather(video: Side, audio: Side) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """Rows of this device's pictures and columns of its sounds, against everything gathered."""
    everyone = partial(jax.lax.all_gather, axis_name=BATCH_AXES, tiled=True)
    all_video, all_audio = jax.tree.map(everyone, (video, audio))
    rows = jax.nn.logsumexp(negative_logits(video, all_audio), axis=1)
    columns = jax.nn.logsumexp(negative_logits(all_video, audio), axis=0)
    return rows, columns


def _pass_on(tree):
    """Hands every array to the next device of the ring; after one full turn all are home."""
    size = jax.lax.axis_size(BATCH_AXES)
    ring = [(device, (device + 1) % size) for device in range(size)]
    return jax.tree.map(lambda x: jax.lax.ppermute(x, BATCH_AXES, ring), tree)


@jax.custom_vjp
def _ring(video: Side, audio: Side) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """The same by streaming: sounds travel the ring together with their columns' running logsumexp.

    Memory is one block of logits and a few copies of the local embeddings, however many devices
    there are. Left to autodiff, the scan would keep the sounds of every step for the backward pass,
    and so the whole global batch; the rule below sends them round a second time instead.
    """
    nothing = jnp.full_like(video.z[:, 0], LOG_ZERO)

    def step(carry, _):
        travelling, columns, rows = carry
        logits = negative_logits(video, travelling)
        rows = jnp.logaddexp(rows, jax.nn.logsumexp(logits, axis=1))
        columns = jnp.logaddexp(columns, jax.nn.logsumexp(logits, axis=0))
        return (*_pass_on((travelling, columns)), rows), None

    size = jax.lax.axis_size(BATCH_AXES)
    (_, columns, rows), _ = jax.lax.scan(step, (audio, nothing, nothing), length=size)
    return rows, columns


def _ring_forward(video: Side, audio: Side):
    rows, columns = _ring(video, audio)
    return (rows, columns), (video, audio, rows, columns)


def _ring_backward(saved, cotangents):
    """d logits = d rows * softmax over rows + d columns * softmax over columns, block by block."""
    video, audio, rows, columns = saved
    d_rows, d_columns = cotangents
    product = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)

    def step(carry, _):
        (travelling, columns, d_columns, d_audio), d_video = carry
        logits = negative_logits(video, travelling)
        d_logits = d_rows[:, None] * jnp.exp(logits - rows[:, None])
        d_logits += d_columns[None, :] * jnp.exp(logits - columns[None, :])
        d_logits = jnp.where(_candidate_mask(video, travelling), d_logits, 0.0)
        d_video += product("bc,cd->bd", d_logits, travelling.z)
        d_audio += product("bc,bd->cd", d_logits, video.z)
        return (_pass_on((travelling, columns, d_columns, d_audio)), d_video), None

    start = ((audio, columns, d_columns, jnp.zeros_like(audio.z)), jnp.zeros_like(video.z))
    size = jax.lax.axis_size(BATCH_AXES)
    ((_, _, _, d_audio), d_video), _ = jax.lax.scan(step, start, length=size)
    return _cotangent(video, d_video), _cotangent(audio, d_audio)


def _cotangent(side: Side, d_z: Float[Array, "b d"]) -> Side:
    """Flags and indices have no gradient."""
    return side._replace(z=d_z, present=None, pair=None, index=None)


_ring.defvjp(_ring_forward, _ring_backward)


def _align_clip(x: TermInputs) -> dict[str, MaskedSum]:
    video, audio = clip_embeddings(x.outputs)
    term = info_nce(
        video,
        audio,
        x.outputs.clip_scale,
        positive=x.masks.genuine,
        hard=x.masks.out_of_sync,
        has_video=x.masks.has_video & is_present(video),
        has_audio=x.masks.has_audio & is_present(audio),
        pair=x.batch["pair"],
        mesh=x.mesh,
        form=x.config.info_nce,
    )
    return {"align_clip": term}


ALIGN_CLIP = Term("align_clip", _align_clip)
