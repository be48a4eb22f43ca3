"""Frame-level InfoNCE over time offsets inside a clip: lips against the sound that goes with them.

The negatives are the same clip's sound a little earlier or later: voice and identity do not help.
Owns the choice of candidates; p(mismatch) is read elsewhere from the same similarities.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.masks import LOG_ZERO, masked_sum
from cad_jax.losses.term import Term, TermInputs
from cad_jax.settings.model import SYNC_RADIUS
from cad_jax.types import MaskedSum


def offset_info_nce(
    z_video: Float[Array, "b k e"],
    z_audio: Float[Array, "b g e"],
    scale: Float[Array, ""],
    grid_index: Int[Array, "b k"],
    align_mask: Bool[Array, "b k"],
    speech_mask: Bool[Array, "b g"],
    in_sync: Bool[Array, " b"],
    radius: int = SYNC_RADIUS,
    near: int = 1,
) -> MaskedSum:
    """InfoNCE of each frame over the same clip's sound at offsets -radius..radius.

    logits[b, k, o] = scale * z_video[b, k] . z_audio[b, grid_index[b, k] + o], positive at o = 0.
    A frame is an anchor if it exists, its clip is in sync and there is speech at its own bin;
    without a single negative it costs nothing and does not count.

    Args:
        z_video: unit embeddings of k frames, float32.
        z_audio: unit embeddings of g bins of 40 ms.
        scale: inverse temperature.
        grid_index: the bin of each frame.
        align_mask: frames that exist.
        speech_mask: bins with sound that is not silent; others are no candidates.
        in_sync: clips that are genuine and known to be in sync.
        radius: largest offset, in bins.
        near: offsets 0 < |o| <= near are no negatives, for neighbours sound alike and recordings
            are rarely in sync to the frame.

    Returns:
        The sum over anchors, and their number.
    """
    offsets = jnp.arange(-radius, radius + 1)
    bins = grid_index[..., None] + offsets
    logits = scale * _at_bins(_similarities(z_video, z_audio), bins)

    grid = z_audio.shape[1]
    audible = jnp.broadcast_to(speech_mask[:, None], (*grid_index.shape, grid))
    candidate = _at_bins(audible, bins) & (bins >= 0) & (bins < grid)
    negative = candidate & (jnp.abs(offsets) > near)

    own = logits[..., radius]
    others = jax.nn.logsumexp(jnp.where(negative, logits, LOG_ZERO), axis=-1)
    anchor = align_mask & in_sync[:, None] & candidate[..., radius] & negative.any(axis=-1)
    return masked_sum(jnp.logaddexp(others, own) - own, anchor)


def _similarities(
    z_video: Float[Array, "b k e"], z_audio: Float[Array, "b g e"]
) -> Float[Array, "b k g"]:
    """Cosines of all frames with all bins; far smaller than gathering an embedding per offset."""
    highest = jax.lax.Precision.HIGHEST
    similarities = jnp.einsum("bke,bge->bkg", z_video, z_audio, precision=highest)
    return similarities.astype(jnp.float32)


def _at_bins(values: Array, bins: Int[Array, "b k o"]) -> Array:
    """Picks bins of the last axis; outside the grid the nearest one, which the caller masks."""
    return jnp.take_along_axis(values, bins, axis=-1, mode="clip")


def _align_frame(x: TermInputs) -> dict[str, MaskedSum]:
    term = offset_info_nce(
        x.outputs.z_video,
        x.outputs.z_audio,
        x.outputs.frame_scale,
        x.outputs.grid_index,
        x.outputs.align_mask,
        x.outputs.speech_mask,
        x.masks.in_sync,
        near=x.config.offset_near,
    )
    return {"align_frame": term}


ALIGN_FRAME = Term("align_frame", _align_frame)
