"""Statistics of a face's texture: how fast its spectrum falls, place by place, over a whole clip.

Warping, upscaling, blending and smoothing change what fine detail a part of a face has next to its
other parts, and generators leave peaks in the spectrum of the block transform (Frank et al. 2020,
"Leveraging Frequency Analysis for Deep Fake Image Recognition"). The slope of log power does not
depend on light or contrast, and what is common to the whole image (camera, blur, compression) is
taken out. Nothing is learned here. Letters: t frames, h w pixels, r c blocks of 8 by 8 pixels, u v
their frequencies, s bands (diagonals of u + v), p places.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Bool, Float, UInt8

BLOCK = 8  # pixels, as in JPEG
PLACES = 4  # along each side of the image
SIDES = BLOCK * PLACES  # pixels that every side is a multiple of
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
FLOOR = 0.05  # squared grey levels, about what rounding to bytes leaves
# About how far slopes of genuine faces lie from the image's own, by band; in nepers.
SPREADS = (0.55, 0.35, 0.25, 0.25, 0.3, 0.3, 0.2, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1)
COUNT = PLACES**2 * len(SPREADS)


@jax.named_scope("texture_statistics")
def texture_statistics(
    frames: UInt8[Array, "b t h w 3"], mask: Bool[Array, "b t"]
) -> Float[Array, "b n"]:
    """From each diagonal of the DCT to the next, the change of log power; by place, over time.

    Means over the frames that exist and over the blocks of each of 4 by 4 places, less the mean
    over places; n = 208. 0 throughout for a clip without frames.

    Args:
        frames: faces, sides a multiple of 32 pixels.
        mask: frames that exist.

    Raises:
        ValueError: a side is no multiple of 32.
    """
    batch, _, height, width, _ = frames.shape
    if height % SIDES or width % SIDES:
        raise ValueError(
            f"texture_statistics: frames of {height} x {width}; sides need to be multiples of "
            f"{SIDES} pixels"
        )
    luma = jnp.einsum("bthwk,k->bthw", frames, jnp.asarray(LUMA), precision=Precision.HIGHEST)
    power = jnp.log(block_dct(luma) ** 2 + FLOOR)
    exists = mask / jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1)
    power = jnp.einsum("btrcf,bt->brcf", power, exists, precision=Precision.HIGHEST)
    rows, columns = power.shape[1] // PLACES, power.shape[2] // PLACES
    power = jnp.mean(power.reshape(batch, PLACES, rows, PLACES, columns, -1), axis=(2, 4))
    bands = jnp.einsum("brcf,fs->brcs", power, _diagonals(), precision=Precision.HIGHEST)
    slope = jnp.diff(bands, axis=-1)
    relative = slope - jnp.mean(slope, axis=(1, 2), keepdims=True)
    return (relative / jnp.asarray(SPREADS)).reshape(batch, COUNT)


@jax.named_scope("block_dct")
def block_dct(x: Float[Array, "b t h w"]) -> Float[Array, "b t r c f"]:
    """Orthonormal DCT-II of each block, f = 8 u + v; sides are multiples of 8."""
    *shape, height, width = x.shape
    blocks = x.reshape(*shape, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    found = jnp.einsum("btrycx,uy,vx->btrcuv", blocks, _dct(), _dct(), precision=Precision.HIGHEST)
    return found.reshape(*found.shape[:-2], BLOCK * BLOCK)


@functools.cache
def _dct() -> Float[np.ndarray, "u y"]:
    """The orthonormal DCT-II matrix."""
    frequency, position = np.arange(BLOCK)[:, None], np.arange(BLOCK)
    matrix = np.sqrt(2 / BLOCK) * np.cos(np.pi / BLOCK * frequency * (position + 0.5))
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


@functools.cache
def _diagonals() -> Float[np.ndarray, "f s"]:
    """Means over the frequencies of each band; the constant one is in none."""
    band = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)).ravel()
    member = band[:, None] == np.arange(1, 2 * BLOCK - 1)
    return (member / member.sum(axis=0)).astype(np.float32)
