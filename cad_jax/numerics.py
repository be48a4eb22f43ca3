"""What models and losses both compute."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

NORM_FLOOR = 1e-8  # squared; keeps the gradient of a zero vector's direction finite


def unit(x: Float[Array, "*rows d"]) -> Float[Array, "*rows d"]:
    """Scales vectors to length 1, in float32; near 0 the length goes to 0 smoothly."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + NORM_FLOOR)


def largest(x: Float[Array, "*shape"], axis: int) -> Float[Array, "*rest"]:
    """The maximum over an axis, whose gradient goes to one place: the first that holds it.

    `jnp.max` finds that place again by x == max and divides by how many there are. A compiler that
    computes x twice may round it differently: there are none then, and the gradient is 0 / 0
    (google/jax#2260).
    """
    place = jnp.expand_dims(jnp.argmax(x, axis), axis)
    here = jax.lax.broadcasted_iota(place.dtype, x.shape, axis % x.ndim) == place
    return jnp.sum(jnp.where(here, x, 0.0), axis)
