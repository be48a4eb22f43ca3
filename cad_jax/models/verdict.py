"""The verdict on a clip: what the fusion says, and what its heads say, put together.

Owns the rule; learns nothing. Knows nothing of where the judgements come from.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

LEAST = 1e-6  # of a sum of softplus: a verdict of -14, beyond which a float32 is not told from 0


@jax.named_scope("joint_verdict")
def joint_verdict(
    fused: Float[Array, " b"], heads: Sequence[tuple[Float[Array, " b"], Bool[Array, " b"]]]
) -> Float[Array, " b"]:
    """The mean of the fusion's logit and of the noisy-or's of its heads.

    A clip is forged where its picture, its sound or their match is: the noisy-or, 1 - prod(1 - p)
    (Pearl 1988), is that rule for heads that err independently. The fusion sees what they share.

    Args:
        fused: the fusion's logit.
        heads: of each its logit, and for which clips it has something to say.

    Returns:
        The verdict's logit; the fusion's own for clips on which no head has anything to say.
    """
    genuine = [jnp.where(there, jax.nn.softplus(logit), 0.0) for logit, there in heads]
    there = jnp.any(jnp.stack([there for _, there in heads]), axis=0)
    total = jnp.maximum(jnp.sum(jnp.stack(genuine), axis=0), LEAST)  # -log of all being genuine
    any_of_them = total + jnp.log(-jnp.expm1(-total))
    return jnp.where(there, (fused + any_of_them) / 2, fused)
