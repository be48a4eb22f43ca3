"""One vector per clip and modality, whose dot product is the mean cosine over frames.

Owns the step from frame embeddings to what clip-level InfoNCE compares. Knows no labels.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cad_jax.types import Outputs


def audio_at_frames(
    z_audio: Float[Array, "b g e"], grid_index: Int[Array, "b k"]
) -> Float[Array, "b k e"]:
    """The sound's embedding in the grid bin of each alignment frame.

    An index outside the grid takes the nearest bin: such frames are masked, and the default
    of `take_along_axis` under jit would put NaN there, which a mask does not remove from gradients.
    """
    return jnp.take_along_axis(z_audio, grid_index[..., None], axis=1, mode="clip")


def frames_with_speech(
    speech_mask: Bool[Array, "b g"], grid_index: Int[Array, "b k"]
) -> Bool[Array, "b k"]:
    """Whether the grid bin of each alignment frame exists and is not silent."""
    bins = speech_mask.shape[1]
    inside = (grid_index >= 0) & (grid_index < bins)
    return inside & jnp.take_along_axis(speech_mask, grid_index, axis=1, mode="clip")


def clip_embedding(z: Float[Array, "b k e"], mask: Bool[Array, "b k"]) -> Float[Array, "b k*e"]:
    """Lays a clip's frames side by side, masked ones zeroed, scaled to unit length.

    With unit frame embeddings and equal masks, the dot product of two such vectors is the mean
    cosine over the frames that count. A clip without any is the zero vector.

    Args:
        z: unit embeddings of k frames.
        mask: frames that count.

    Returns:
        Float32 vectors, each of unit length or zero.
    """
    weight = mask / jnp.sqrt(jnp.maximum(mask.sum(axis=1, keepdims=True), 1.0))
    scaled = z.astype(jnp.float32) * weight[..., None]
    return scaled.reshape(z.shape[0], -1)


def clip_embeddings(outputs: Outputs) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
    """Clip embeddings of picture and sound (d = k * e), the sound taken at the frames' bins.

    Silent bins are left out of the sound only. Left out of the picture too, the pattern of zeros
    itself would match the clip's own pair and the loss would fall without looking at the lips.
    """
    speech = outputs.align_mask & frames_with_speech(outputs.speech_mask, outputs.grid_index)
    video = clip_embedding(outputs.z_video, outputs.align_mask)
    audio = clip_embedding(audio_at_frames(outputs.z_audio, outputs.grid_index), speech)
    return video, audio


def is_present(embedding: Float[Array, "b d"]) -> Bool[Array, " b"]:
    """False for the zero vector: a clip of which no frame counted is nobody's candidate."""
    return jax.lax.stop_gradient(embedding != 0).any(axis=1)
