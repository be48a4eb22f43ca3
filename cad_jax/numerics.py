"""What models and losses both compute."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NORM_FLOOR = 1e-8  # squared; keeps the gradient of a zero vector's direction finite


def unit(x: Float[Array, "*rows d"]) -> Float[Array, "*rows d"]:
    """Scales vectors to length 1, in float32; near 0 the length goes to 0 smoothly."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + NORM_FLOOR)
