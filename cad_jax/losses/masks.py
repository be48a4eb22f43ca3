"""Which clips a loss may learn from, read from the labels in one place.

Owns the label convention on the device (labels 1 fake, 0 real, -1 unknown; sync 1 in sync, 0 not,
-1 unknown) and the masked sum. Knows nothing of embeddings or weights.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cad_jax.types import Batch, MaskedSum

# Stands for the logarithm of 0 in masked logits: -inf gives NaN gradients where nothing is left.
LOG_ZERO = -1e30


class ClipMasks(NamedTuple):
    """One flag per clip; rows that only pad the batch are False everywhere.

    Attributes:
        has_video, has_audio: the modality is there.
        pair: both are there.
        genuine: both are there, both are real, and they are not known to be out of sync. A forged
            clip is never pulled together, nor is one whose labels are unknown.
        in_sync: genuine, and known to be in sync.
        out_of_sync: both are there and are known not to belong together in time.
    """

    has_video: Bool[Array, " b"]
    has_audio: Bool[Array, " b"]
    pair: Bool[Array, " b"]
    genuine: Bool[Array, " b"]
    in_sync: Bool[Array, " b"]
    out_of_sync: Bool[Array, " b"]


def clip_masks(batch: Batch) -> ClipMasks:
    """Reads the masks from `has_*`, `label_*` and `valid` of a batch."""
    has_video = batch["has_video"] & batch["valid"]
    has_audio = batch["has_audio"] & batch["valid"]
    pair = has_video & has_audio
    real = (batch["label_video"] == 0) & (batch["label_audio"] == 0)
    genuine = pair & real & (batch["label_sync"] != 0)
    return ClipMasks(
        has_video=has_video,
        has_audio=has_audio,
        pair=pair,
        genuine=genuine,
        in_sync=genuine & (batch["label_sync"] == 1),
        out_of_sync=pair & (batch["label_sync"] == 0),
    )


def masked_sum(values: Float[Array, "..."], mask: Bool[Array, "..."]) -> MaskedSum:
    """Sums `values` where `mask` holds, in float32; both have the same shape."""
    kept = jnp.where(mask, values.astype(jnp.float32), 0.0)
    return MaskedSum(kept.sum(), mask.sum(dtype=jnp.float32))
