"""The training objective: which terms there are and how they are weighted.

    L = cls L_cls + uni (L_video + L_audio) + align_clip L_clip + align_frame L_frame + kl L_kl
        + distill_feature (...) + distill_response (...) + mismatch L_mismatch

Each term stands with its own wiring beside the function that computes it.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from cad_jax.losses.distillation import DISTILL_FEATURE, DISTILL_RESPONSE
from cad_jax.losses.info_nce import ALIGN_CLIP
from cad_jax.losses.kl import KL
from cad_jax.losses.masks import clip_masks
from cad_jax.losses.offset_info_nce import ALIGN_FRAME
from cad_jax.losses.term import TermInputs
from cad_jax.losses.verdicts import CLS, MISMATCH, UNI
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig
from cad_jax.types import Batch, MaskedSum, Outputs

TERMS = (CLS, UNI, ALIGN_CLIP, ALIGN_FRAME, KL, DISTILL_FEATURE, DISTILL_RESPONSE, MISMATCH)


@jax.named_scope("losses")
def cad_losses(
    outputs: Outputs, batch: Batch, config: LossConfig, priors: Priors, mesh: Mesh
) -> tuple[Float[Array, ""], dict[str, MaskedSum]]:
    """Computes the objective of one global batch.

    Args:
        outputs: of the detector.
        batch: labels, masks and pairs, as in `data_pipelines.loading.batch.ClipBatch`.
        config: weights and constants.
        priors: shares of forged clips in the training, for logit adjustment.
        mesh: carries the batch.

    Returns:
        The sum of weight * mean over the terms, and each term unweighted, by name. Terms of
        weight 0 are neither computed nor returned.
    """
    inputs = TermInputs(outputs, batch, clip_masks(batch), config, priors, mesh)
    total, parts = jnp.float32(0.0), {}
    for term in TERMS:
        weight = getattr(config, term.name)
        if weight == 0:
            continue
        for name, part in term.compute(inputs).items():
            parts[name] = part
            total = total + weight * part.mean()
    return total, parts
