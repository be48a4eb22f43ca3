"""The terms that teach the four verdicts by cross-entropy: fused, picture, sound, sync."""

import jax.numpy as jnp

from cad_jax.losses.bce import logit_adjusted_bce
from cad_jax.losses.term import Term, TermInputs
from cad_jax.types import MaskedSum


def _cls(x: TermInputs) -> dict[str, MaskedSum]:
    prior, tau = x.priors.fake, x.config.adjustment
    term = logit_adjusted_bce(x.outputs.logit, x.batch["label"], x.batch["valid"], prior, tau)
    return {"cls": term}


def _uni(x: TermInputs) -> dict[str, MaskedSum]:
    tau = x.config.adjustment
    return {
        "uni_video": logit_adjusted_bce(
            x.outputs.logit_video,
            x.batch["label_video"],
            x.masks.has_video,
            x.priors.fake_video,
            tau,
        ),
        "uni_audio": _sum_of_judges(x),
    }


def _sum_of_judges(x: TermInputs) -> MaskedSum:
    """A cross-entropy for each judgement of the sound, so that each learns as if it were alone."""
    terms = [
        logit_adjusted_bce(
            logit,
            x.batch["label_audio"],
            x.masks.has_audio,
            x.priors.fake_audio,
            x.config.adjustment,
        )
        for logit in x.outputs.specific_logits_audio.T
    ]
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
