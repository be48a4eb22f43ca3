"""Shared structures: what the model returns and how a masked loss travels.

Owns no computation. The glossary of shape letters stands in `data_pipelines.loading.batch`.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Batch = Mapping[str, jax.Array]  # the keys and shapes of data_pipelines.loading.batch.ClipBatch
Params = dict[str, jax.Array]  # by path name, see cad_jax.models.functional


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outputs:
    """What the detector computes of a batch; every loss and every verdict is made from these.

    Logits are float32, positive for fake (mismatch: positive for out of sync).

    Attributes:
        verdict: any forgery: `logit`, or its mean with what the heads say together; see
            `models/verdict.py`. No loss reads it.
        logit: any forgery, from the fused representation.
        logit_video, logit_audio: forged picture / sound, from the modality-specific paths.
        logit_mismatch: lips and speech do not belong together, read from `sync_curve`.
        student_logit_video, student_logit_audio: the fused representation's own opinion of each
            modality; distilled from the two above.
        specific_logits_video, specific_logits_audio: the v judgements whose means are `logit_video`
            and `logit_audio`: by the bins over time and, where the model has them, by statistics of
            the whole clip.
        frame_logits_video, frame_logits_audio: evidence over time; their smooth maximum over the
            valid frames is the clip's logit, or the first of those.
        z_video: unit alignment embeddings of the k alignment frames.
        z_audio: unit alignment embeddings of the sound on the 25 Hz grid.
        grid_index: the grid bin of each alignment frame.
        align_mask: alignment frames that exist.
        speech_mask: grid bins with sound that is not silent.
        shared_video, shared_audio: after cross-attention, at the alignment frames.
        specific_video, specific_audio: pooled modality-specific representations.
        predicted_video, predicted_audio: the predictors' guesses of the two above, made from
            `fused`; the students of feature distillation.
        fused: representation of the whole clip.
        sync_curve: mean cosine of lips and speech when the sound is taken o frames later.
        clip_scale, frame_scale: learned inverse temperatures of the two InfoNCE terms.
        clip_bias: learned bias of the sigmoid contrast over clips; 0 where there is none.
    """

    verdict: Float[Array, " b"]
    logit: Float[Array, " b"]
    logit_video: Float[Array, " b"]
    logit_audio: Float[Array, " b"]
    logit_mismatch: Float[Array, " b"]
    student_logit_video: Float[Array, " b"]
    student_logit_audio: Float[Array, " b"]
    specific_logits_video: Float[Array, "b v"]
    specific_logits_audio: Float[Array, "b v"]
    frame_logits_video: Float[Array, "b t"]
    frame_logits_audio: Float[Array, "b t"]
    z_video: Float[Array, "b k e"]
    z_audio: Float[Array, "b g e"]
    grid_index: Int[Array, "b k"]
    align_mask: Bool[Array, "b k"]
    speech_mask: Bool[Array, "b g"]
    shared_video: Float[Array, "b k d"]
    shared_audio: Float[Array, "b k d"]
    specific_video: Float[Array, "b d"]
    specific_audio: Float[Array, "b d"]
    predicted_video: Float[Array, "b d"]
    predicted_audio: Float[Array, "b d"]
    fused: Float[Array, "b d"]
    sync_curve: Float[Array, "b o"]
    clip_scale: Float[Array, ""]
    frame_scale: Float[Array, ""]
    clip_bias: Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MaskedSum:
    """A loss or metric as (sum, count), so that masked means stay exact over any sharding."""

    total: Float[Array, ""]
    count: Float[Array, ""]

    def mean(self) -> Float[Array, ""]:
        """The mean over what counted; 0 where nothing did."""
        return self.total / jnp.maximum(self.count, 1.0)

    def __add__(self, other: "MaskedSum") -> "MaskedSum":
        return MaskedSum(self.total + other.total, self.count + other.count)
