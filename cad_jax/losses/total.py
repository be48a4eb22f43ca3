"""The training objective: which terms there are, what masks them, how they are weighted.

Owns the wiring from outputs and labels to the loss functions beside it, and nothing they compute.

    L = cls L_cls + uni (L_video + L_audio) + align_clip L_clip + align_frame L_frame + kl L_kl
        + distill_feature (...) + distill_response (...) + mismatch L_mismatch
"""

import dataclasses
import typing
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from cad_jax.losses.bce import logit_adjusted_bce
from cad_jax.losses.clip_embedding import clip_embeddings, is_present
from cad_jax.losses.distillation import feature_distillation, response_distillation
from cad_jax.losses.info_nce import Form, info_nce
from cad_jax.losses.kl import alignment_kl
from cad_jax.losses.masks import ClipMasks, clip_masks
from cad_jax.losses.offset_info_nce import offset_info_nce
from cad_jax.types import Batch, MaskedSum, Outputs

Terms = dict[str, MaskedSum]


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and constants of the objective. The values are ours: CAD publishes none.

    Attributes:
        cls, uni, align_clip, align_frame, kl, distill_feature, distill_response, mismatch: weights
            of the terms; 0 leaves a term out altogether.
        info_nce: form of the clip-level InfoNCE: `dense`, `gather` or `ring`.
        offset_radius: candidates of the frame-level InfoNCE reach this many bins of 40 ms.
        offset_near: offsets up to this many bins are no negatives.
        kl_temperature: of the alignment's distributions.
        distill_temperature: of the response distillation.
        adjustment: strength tau of the logit adjustment; 0 for none.
        prior_fake, prior_fake_video, prior_fake_audio: shares of fake in the training set.
        stop_gradient: hold the teachers fixed; False only to show the collapse.
    """

    cls: float = 1.0
    uni: float = 0.5
    align_clip: float = 0.5
    align_frame: float = 0.5
    kl: float = 0.0
    distill_feature: float = 0.2
    distill_response: float = 0.2
    mismatch: float = 0.2
    info_nce: Form = "dense"
    offset_radius: int = 15
    offset_near: int = 1
    kl_temperature: float = 1.0
    distill_temperature: float = 2.0
    adjustment: float = 0.0
    prior_fake: float = 0.5
    prior_fake_video: float = 0.5
    prior_fake_audio: float = 0.5
    stop_gradient: bool = True

    def __post_init__(self) -> None:
        for name in _TERMS:
            if not getattr(self, name) >= 0:
                raise ValueError(f"loss weight {name}={getattr(self, name)} must be 0 or more")
        for name in ("prior_fake", "prior_fake_video", "prior_fake_audio"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie strictly within 0 and 1")
        for name in ("kl_temperature", "distill_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
        if not 0 <= self.offset_near < self.offset_radius:
            raise ValueError(
                f"offset_near={self.offset_near} must be within 0 and offset_radius - 1 = "
                f"{self.offset_radius - 1}, or no negatives are left"
            )
        if self.info_nce not in typing.get_args(Form):
            raise ValueError(f"info_nce={self.info_nce!r} is not one of {typing.get_args(Form)}")


def cad_losses(
    outputs: Outputs, batch: Batch, config: LossConfig, mesh: Mesh
) -> tuple[Float[Array, ""], Terms]:
    """Computes the objective of one global batch.

    Args:
        outputs: of the detector.
        batch: labels, masks and pairs, as in `data_pipelines.loading.batch.ClipBatch`.
        config: weights and constants.
        mesh: carries the batch.

    Returns:
        The sum of weight * mean over the terms, and each term unweighted, by name. Terms of
        weight 0 are neither computed nor returned.
    """
    inputs = _Inputs(outputs, batch, clip_masks(batch), config, mesh)
    total, terms = jnp.float32(0.0), {}
    for name, terms_of in _TERMS.items():
        weight = getattr(config, name)
        if weight == 0:
            continue
        for term_name, term in terms_of(inputs).items():
            terms[term_name] = term
            total = total + weight * term.mean()
    return total, terms


class _Inputs(NamedTuple):
    """What a term is made from."""

    outputs: Outputs
    batch: Batch
    masks: ClipMasks
    config: LossConfig
    mesh: Mesh


def _cls(x: _Inputs) -> Terms:
    prior, tau = x.config.prior_fake, x.config.adjustment
    return {
        "cls": logit_adjusted_bce(x.outputs.logit, x.batch["label"], x.batch["valid"], prior, tau),
    }


def _uni(x: _Inputs) -> Terms:
    prior_video, prior_audio = x.config.prior_fake_video, x.config.prior_fake_audio
    tau = x.config.adjustment
    return {
        "uni_video": logit_adjusted_bce(
            x.outputs.logit_video, x.batch["label_video"], x.masks.has_video, prior_video, tau
        ),
        "uni_audio": logit_adjusted_bce(
            x.outputs.logit_audio, x.batch["label_audio"], x.masks.has_audio, prior_audio, tau
        ),
    }


def _align_clip(x: _Inputs) -> Terms:
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


def _align_frame(x: _Inputs) -> Terms:
    term = offset_info_nce(
        x.outputs.z_video,
        x.outputs.z_audio,
        x.outputs.frame_scale,
        x.outputs.grid_index,
        x.outputs.align_mask,
        x.outputs.speech_mask,
        x.masks.in_sync,
        x.config.offset_radius,
        x.config.offset_near,
    )
    return {"align_frame": term}


def _kl(x: _Inputs) -> Terms:
    frames = x.outputs.align_mask & x.masks.genuine[:, None]
    term = alignment_kl(
        x.outputs.shared_video, x.outputs.shared_audio, frames, x.config.kl_temperature
    )
    return {"kl": term}


def _distill_feature(x: _Inputs) -> Terms:
    stop = x.config.stop_gradient
    return {
        "distill_feature_video": feature_distillation(
            x.outputs.predicted_video, x.outputs.specific_video, x.masks.has_video, stop
        ),
        "distill_feature_audio": feature_distillation(
            x.outputs.predicted_audio, x.outputs.specific_audio, x.masks.has_audio, stop
        ),
    }


def _distill_response(x: _Inputs) -> Terms:
    temperature, stop = x.config.distill_temperature, x.config.stop_gradient
    return {
        "distill_response_video": response_distillation(
            x.outputs.student_logit_video,
            x.outputs.logit_video,
            x.masks.has_video,
            temperature,
            stop,
        ),
        "distill_response_audio": response_distillation(
            x.outputs.student_logit_audio,
            x.outputs.logit_audio,
            x.masks.has_audio,
            temperature,
            stop,
        ),
    }


def _mismatch(x: _Inputs) -> Terms:
    """Cross-entropy on clips whose sync is known, through the sync curve into the embeddings.

    The gradient is not stopped at the curve: offset InfoNCE only learns from clips that are in
    sync, so this is the one term that shows the frame embeddings clips that are not.
    """
    sync = x.batch["label_sync"]
    mismatch = jnp.where(sync >= 0, 1 - sync, -1)
    return {"mismatch": logit_adjusted_bce(x.outputs.logit_mismatch, mismatch, x.masks.pair)}


_TERMS: dict[str, Callable[[_Inputs], Terms]] = {
    "cls": _cls,
    "uni": _uni,
    "align_clip": _align_clip,
    "align_frame": _align_frame,
    "kl": _kl,
    "distill_feature": _distill_feature,
    "distill_response": _distill_response,
    "mismatch": _mismatch,
}
