"""Lip-speech synchrony: the similarity of lips and sound over time offsets, and its verdict.

Knows nothing of how the embeddings came about. Letters: o offsets, from -15 to +15 grid bins.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from cad_jax.numerics import largest
from cad_jax.settings.model import SYNC_RADIUS

OFFSETS = tuple(range(-SYNC_RADIUS, SYNC_RADIUS + 1))  # bins the sound is taken later
NEAR = 1  # offsets up to this far count as in sync
LEAST_SHARE = 0.5  # of the best covered offset's pairs; an offset with fewer is not judged


@jax.named_scope("sync_curve")
def sync_curve(
    z_video: Float[Array, "b k e"],
    z_audio: Float[Array, "b g e"],
    grid_index: Int[Array, "b k"],
    align_mask: Bool[Array, "b k"],
    speech_mask: Bool[Array, "b g"],
) -> Float[Array, "b o"]:
    """Mean cosine of each frame with the sound `o` bins later (Chung and Zisserman 2016, SyncNet).

    Only existing frames against speech inside the window count. An offset with too few such pairs,
    next to the best covered one, is -1, so that it never wins; a clip without any is 0 throughout.
    """
    bins = z_audio.shape[1]
    target = grid_index[:, :, None] + jnp.asarray(OFFSETS)
    inside = (target >= 0) & (target < bins)
    target = jnp.clip(target, 0, bins - 1)
    heard = jnp.take_along_axis(speech_mask[:, None, :], target, axis=2)
    pairs = inside & heard & align_mask[:, :, None]

    cosine = jnp.einsum("bke,bge->bkg", z_video, z_audio, precision=jax.lax.Precision.HIGHEST)
    cosine = jnp.take_along_axis(cosine, target, axis=2)
    count = jnp.sum(pairs, axis=1)
    mean = jnp.sum(jnp.where(pairs, cosine, 0.0), axis=1) / jnp.maximum(count, 1)

    most = jnp.max(count, axis=1, keepdims=True)
    judged = (count > 0) & (count >= LEAST_SHARE * most)
    return jnp.where(most > 0, jnp.where(judged, mean, -1.0), 0.0)


class MismatchHead(nnx.Module):
    """A logistic function of the curve's margin: best offset near zero less the best elsewhere."""

    def __init__(self) -> None:
        self.slope = nnx.Param(jnp.asarray(10.0))
        self.bias = nnx.Param(jnp.asarray(0.0))

    def __call__(self, curve: Float[Array, "b o"]) -> Float[Array, " b"]:
        """The logit; it falls with the margin, whatever training does to the slope."""
        near = jnp.abs(jnp.asarray(OFFSETS)) <= NEAR
        best_near = largest(jnp.where(near, curve, -jnp.inf), axis=1)
        best_far = largest(jnp.where(near, -jnp.inf, curve), axis=1)
        return self.bias[...] - jax.nn.softplus(self.slope[...]) * (best_near - best_far)
