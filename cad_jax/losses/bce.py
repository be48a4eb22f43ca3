"""Binary cross-entropy of a forgery logit, adjusted for how common forgeries are in training."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from cad_jax.losses.masks import masked_sum
from cad_jax.types import MaskedSum


def logit_adjusted_bce(
    logit: Float[Array, " b"],
    label: Int[Array, " b"],
    mask: Bool[Array, " b"],
    prior_fake: float = 0.5,
    tau: float = 0.0,
) -> MaskedSum:
    """BCE(logit + tau * log(prior / (1 - prior)), label): logit adjustment (Menon et al. 2021).

    Adding the prior's log-odds in training lets the logit itself answer for balanced classes.

    Args:
        logit: positive for fake.
        label: 1 fake, 0 real, -1 unknown; unknown ones do not count.
        mask: clips that may count.
        prior_fake: share of fake among the labelled clips of the training set, within (0, 1).
        tau: strength of the adjustment; 0 is plain cross-entropy, 1 is Bayes-consistent.

    Returns:
        The sum over labelled clips in nats, and their number.

    Raises:
        ValueError: the prior is not strictly between 0 and 1.
    """
    if not 0.0 < prior_fake < 1.0:
        raise ValueError(f"prior_fake={prior_fake} must lie strictly between 0 and 1")
    adjusted = logit.astype(jnp.float32)
    if tau:  # else a compiled step serves whatever prior
        adjusted += tau * math.log(prior_fake / (1.0 - prior_fake))
    toward_label = jnp.where(label == 1, adjusted, -adjusted)
    return masked_sum(-jax.nn.log_sigmoid(toward_label), mask & (label >= 0))
