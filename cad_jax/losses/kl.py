"""The KL divergence of the alignment path: shared features of both modalities as distributions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cad_jax.losses.masks import masked_sum
from cad_jax.losses.term import Term, TermInputs
from cad_jax.types import MaskedSum


def alignment_kl(
    shared_video: Float[Array, "b k d"],
    shared_audio: Float[Array, "b k d"],
    mask: Bool[Array, "b k"],
    temperature: float = 1.0,
) -> MaskedSum:
    """KL(softmax(S_v / tau) || softmax(S_a / tau)) over the features, at each frame (CAD).

    Args:
        shared_video, shared_audio: after cross-attention, at the alignment frames.
        mask: frames that count: they exist, in a genuine clip.
        temperature: tau of both distributions.

    Returns:
        The sum over frames in nats, and the number of frames.
    """
    log_p = jax.nn.log_softmax(shared_video.astype(jnp.float32) / temperature)
    log_q = jax.nn.log_softmax(shared_audio.astype(jnp.float32) / temperature)
    return masked_sum(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1), mask)


def _kl(x: TermInputs) -> dict[str, MaskedSum]:
    frames = x.outputs.align_mask & x.masks.genuine[:, None]
    term = alignment_kl(
        x.outputs.shared_video, x.outputs.shared_audio, frames, x.config.kl_temperature
    )
    return {"kl": term}


KL = Term("kl", _kl)
