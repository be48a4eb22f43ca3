"""The terms that teach the four verdicts by cross-entropy: fused, picture, sound, sync."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.bce import logit_adjusted_bce
from cad_jax.losses.term import Term, TermInputs
from cad_jax.types import MaskedSum


def _cls(x: TermInputs) -> dict[str, MaskedSum]:
    prior, tau = x.priors.fake, x.config.adjustment
    term = logit_adjusted_bce(x.outputs.logit, x.batch["label"], x.batch["valid"], prior, tau)
    return {"cls": term}


def _uni(x: TermInputs) -> dict[str, MaskedSum]:
    outputs, batch, masks, priors = x.outputs, x.batch, x.masks, x.priors
    video = (outputs.specific_logits_video, batch["label_video"], masks.has_video)
    audio = (outputs.specific_logits_audio, batch["label_audio"], masks.has_audio)
    tau = x.config.adjustment
    return {
        "uni_video": _sum_of_judges(*video, priors.fake_video, tau),
        "uni_audio": _sum_of_judges(*audio, priors.fake_audio, tau),
    }


def _sum_of_judges(
    logits: Float[Array, "b v"],
    label: Int[Array, " b"],
    mask: Bool[Array, " b"],
    prior: float,
    tau: float,
) -> MaskedSum:
    """A cross-entropy for each judgement, so that each learns as if it were alone."""
    terms = [logit_adjusted_bce(logit, label, mask, prior, tau) for logit in logits.T]
    return MaskedSum(jnp.sum(jnp.stack([term.total for term in terms])), terms[0].count)


def _mismatch(x: TermInputs) -> dict[str, MaskedSum]:
    """On clips whose sync is known, through the sync curve into the embeddings.

    The gradient is not stopped at the curve: offset InfoNCE only learns from clips that are in
    sync, so this is the one term that shows the frame embeddings clips that are not.
    """
    sync = x.batch["label_sync"]
    mismatch = jnp.where(sync >= 0, 1 - sync, -1)
    return {"mismatch": logit_adjusted_bce(x.outputs.logit_mismatch, mismatch, x.masks.pair)}


CLS, UNI, MISMATCH = Term("cls", _cls), Term("uni", _uni), Term("mismatch", _mismatch)
