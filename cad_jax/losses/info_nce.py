"""Clip-level contrast over the global batch, symmetric: InfoNCE, and its sigmoid form.

Owns what a clip's own pair costs against its candidates, and the term. Where the candidates come
from, on one device or many, is the business of `candidates`.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from cad_jax.losses.candidates import LOGSUMEXP, SOFTPLUS_SUM, Side, over_candidates
from cad_jax.losses.clip_embedding import clip_embeddings, is_present
from cad_jax.losses.masks import LOG_ZERO, masked_sum
from cad_jax.losses.term import Term, TermInputs
from cad_jax.settings.loss import Form
from cad_jax.types import MaskedSum


def info_nce(
    video: Side,
    audio: Side,
    scale: Float[Array, ""],
    positive: Bool[Array, " b"],
    hard: Bool[Array, " b"],
    mesh: Mesh,
    form: Form = "auto",
) -> MaskedSum:
    """Symmetric InfoNCE (van den Oord et al. 2018, eq. 4; symmetric as in Radford et al. 2021).

    With own_i = scale * z_video_i . z_audio_i and others_i the logsumexp over the other clips'
    candidates (see `over_candidates`), an anchor costs

        positive:  -log p_i       = log(exp(own) + exp(others)) - own
        hard:      -log (1 - p_i) = log(exp(own) + exp(others)) - others

    from picture to sound and again from sound to picture. An anchor without candidates costs
    nothing and does not count.

    Args:
        video, audio: clip embeddings, float32.
        scale: inverse temperature.
        positive: clips whose own pair is pulled together; genuine in both modalities.
        hard: clips whose own pair is pushed apart; known out of sync. Disjoint from `positive`.
        mesh: its batch axes carry b.
        form: of `over_candidates`; all are equal in value and gradient.

    Returns:
        The sum over anchors and directions, and their number.

    Raises:
        ValueError: the form has another name.
    """
    video = video._replace(z=scale * video.z)
    others = jnp.stack(over_candidates(LOGSUMEXP, video, audio, mesh, form))
    own = jnp.sum(video.z * audio.z, axis=-1)
    both = jnp.logaddexp(others, own)
    anchor = (positive | hard) & video.present & audio.present & (others > LOG_ZERO / 2)
    # Rows without candidates are replaced before the difference: own - LOG_ZERO is no loss.
    cost = jnp.where(anchor, both - jnp.where(hard, others, own), 0.0)
    return masked_sum(cost, anchor)


def pair_sigmoid(
    video: Side,
    audio: Side,
    scale: Float[Array, ""],
    bias: Float[Array, ""],
    positive: Bool[Array, " b"],
    hard: Bool[Array, " b"],
    mesh: Mesh,
    form: Form = "auto",
) -> MaskedSum:
    """The sigmoid form (SigLIP: Zhai et al. 2023, arXiv 2303.15343, section 3.2).

    Every pair is a decision of its own, by logit_ij = scale * z_video_i . z_audio_j + bias. An
    anchor costs

        positive:  softplus(-logit_ii) + the sum over its candidates of softplus(logit_ij)
        hard:      softplus(logit_ii)  + the same

    from picture to sound and again from sound to picture, as in `info_nce`: where every clip is a
    positive, the mean is the paper's loss. Without candidates an anchor costs its own pair.

    Args:
        video, audio, scale, positive, hard, mesh, form: as of `info_nce`.
        bias: of every logit; by far most pairs are no match, which it says at the start.

    Returns:
        The sum over anchors and directions, and their number.

    Raises:
        ValueError: the form has another name.
    """
    # The bias rides along as one more feature, and so has its gradient in every form.
    ones = jnp.ones_like(video.z[:, :1])
    video = video._replace(z=jnp.concatenate([scale * video.z, bias * ones], axis=1))
    audio = audio._replace(z=jnp.concatenate([audio.z, ones], axis=1))
    others = jnp.stack(over_candidates(SOFTPLUS_SUM, video, audio, mesh, form))
    own = jnp.sum(video.z * audio.z, axis=-1)
    anchor = (positive | hard) & video.present & audio.present
    cost = jax.nn.softplus(jnp.where(hard, own, -own)) + others
    return masked_sum(cost, jnp.stack([anchor, anchor]))


def _align_clip(x: TermInputs) -> dict[str, MaskedSum]:
    embeddings = clip_embeddings(x.outputs)
    has, pair = (x.masks.has_video, x.masks.has_audio), x.batch["pair"]
    index = jnp.arange(len(pair))
    video, audio = (
        Side(z, here & is_present(z), pair, index) for z, here in zip(embeddings, has, strict=True)
    )
    anchors = {"positive": x.masks.genuine, "hard": x.masks.out_of_sync}
    spread = {"mesh": x.mesh, "form": x.config.info_nce}
    scale, bias = x.outputs.clip_scale, x.outputs.clip_bias
    if x.config.contrast == "sigmoid":
        return {"align_clip": pair_sigmoid(video, audio, scale, bias, **anchors, **spread)}
    return {"align_clip": info_nce(video, audio, scale, **anchors, **spread)}


ALIGN_CLIP = Term("align_clip", _align_clip)
