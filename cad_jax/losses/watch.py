"""The collapse watch: figures that say whether embeddings still tell clips apart.

Logged beside the losses, never differentiated: a loss can fall while all embeddings become one.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.clip_embedding import clip_embeddings, is_present
from cad_jax.losses.masks import clip_masks, masked_sum
from cad_jax.numerics import unit
from cad_jax.types import Batch, MaskedSum, Outputs

SYNC_TOLERANCE = 1  # bins of 40 ms
# All pairs of a large global batch would cost the memory that the ring form of InfoNCE saves. They
# are spread over the batch: the first ones lie on few devices, which would send them to all others.
RETRIEVAL_CLIPS = 512


@jax.named_scope("watch")
def collapse_watch(
    outputs: Outputs, batch: Batch, *, detects: bool = True
) -> dict[str, MaskedSum | Float[Array, ""]]:
    """All figures of one batch.

    Args:
        outputs: of the detector.
        batch: labels, masks and pairs.
        detects: whether more than alignment is trained. Else nothing of the rest is looked at, so
            that the compiler leaves its forward pass out.

    Returns:
        `std_*`: spread of unit embeddings, see `embedding_std`; a scalar of this batch.
        `retrieval_accuracy`: share of genuine clips whose own sound is the nearest, among at most
            `RETRIEVAL_CLIPS` of the batch, every n-th.
        `sync_accuracy`: share of audible clips in sync whose best offset is 0 to within one bin.
    """
    outputs = jax.lax.stop_gradient(outputs)
    masks = clip_masks(batch)
    every = -(-len(batch["pair"]) // RETRIEVAL_CLIPS)
    video, audio = clip_embeddings(outputs)
    audible = masks.pair & is_present(video) & is_present(audio)
    video_frames = outputs.align_mask & masks.has_video[:, None]
    audio_bins = outputs.speech_mask & masks.has_audio[:, None]
    detection = {
        "std_specific_video": embedding_std(outputs.specific_video, masks.has_video),
        "std_specific_audio": embedding_std(outputs.specific_audio, masks.has_audio),
        "std_fused": embedding_std(outputs.fused, batch["valid"]),
    }
    return (detection if detects else {}) | {
        "std_z_video": embedding_std(outputs.z_video, video_frames),
        "std_z_audio": embedding_std(outputs.z_audio, audio_bins),
        "retrieval_accuracy": retrieval_accuracy(
            video[::every],
            audio[::every],
            anchor=(masks.genuine & audible)[::every],
            candidate=(masks.has_audio & is_present(audio))[::every],
            pair=batch["pair"][::every],
        ),
        "sync_accuracy": sync_accuracy(outputs.sync_curve, masks.in_sync & audible),
    }


def embedding_std(z: Float[Array, "*n e"], mask: Bool[Array, "*n"]) -> Float[Array, ""]:
    """sqrt(e) times the mean over features of the standard deviation of z / |z| (SimSiam, fig. 2).

    1 for vectors uniform on the sphere, 0 when all are the same or none counts.
    """
    mask = mask[..., None]
    count = jnp.maximum(mask.sum(), 1)
    vectors = unit(z)
    leading = tuple(range(z.ndim - 1))
    mean = jnp.sum(vectors * mask, axis=leading) / count
    variance = jnp.sum(jnp.square(vectors - mean) * mask, axis=leading) / count
    return jnp.sqrt(z.shape[-1]) * jnp.mean(jnp.sqrt(variance))


def retrieval_accuracy(
    video: Float[Array, "b d"],
    audio: Float[Array, "b d"],
    anchor: Bool[Array, " b"],
    candidate: Bool[Array, " b"],
    pair: Int[Array, " b"],
) -> MaskedSum:
    """Whether a picture's own sound is nearer than every other clip's; a tie is a miss.

    Clips made from one original are no candidates for each other: they may share the very sound.
    """
    logits = jnp.einsum("bd,cd->bc", video, audio, precision=jax.lax.Precision.HIGHEST)
    own = jnp.diagonal(logits)
    same_original = (pair[:, None] == pair[None, :]) & (pair[:, None] >= 0)
    other = candidate[None, :] & ~same_original & ~jnp.eye(len(pair), dtype=bool)
    nearest = jnp.max(jnp.where(other, logits, -jnp.inf), axis=1)
    return masked_sum((own > nearest).astype(jnp.float32), anchor & other.any(axis=1))


def sync_accuracy(curve: Float[Array, "b o"], in_sync: Bool[Array, " b"]) -> MaskedSum:
    """Whether the sync curve, offsets -r..r in bins, peaks at 0 to within `SYNC_TOLERANCE`."""
    best = jnp.argmax(curve, axis=1) - curve.shape[1] // 2
    return masked_sum((jnp.abs(best) <= SYNC_TOLERANCE).astype(jnp.float32), in_sync)
