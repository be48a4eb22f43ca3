"""Features over time: what every path of the detector hands to the next, and how time is pooled.

Owns masks, timestamps, bins and the place of null tokens. Knows nothing of what a feature means.
Times are seconds after the window's start. Letters: n tokens, j bins.
"""

import dataclasses
from typing import Any

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cad_jax.parallel.mesh import keep_on_batch

SHORTEST_PERIOD, LONGEST_PERIOD = 0.08, 80.0  # seconds, of the time embedding
BELOW_LOUDEST_DB, SILENCE_DBFS = 35.0, -60.0  # a bin is silent below either


@flax.struct.dataclass
class Track:
    """Features [b n d], the middle of each one's time [b n], and whether it exists [b n]."""

    features: Float[Array, "b n d"]
    times: Float[Array, "b n"]
    mask: Bool[Array, "b n"]

    def fill_absent(self, null: Float[Array, " d"]) -> "Track":
        """Where a clip has nothing at all, the null token at every place, and all places exist.

        No row is left without an existing token, so that softmax and means over it stay finite.
        """
        present = jnp.any(self.mask, axis=1)
        features = jnp.where(
            present[:, None, None], self.features, null.astype(self.features.dtype)
        )
        return dataclasses.replace(self, features=features, mask=self.mask | ~present[:, None])


def bin_centres(bins: int, seconds: float, batch: Any) -> Float[Array, "b j"]:
    """The middles of equal bins that tile the window; `batch` is a number, or stands for any."""
    centres = (jnp.arange(bins) + 0.5) * (seconds / bins)
    return jnp.broadcast_to(centres, (batch, bins))


def time_pool(track: Track, *, step: float, centres: Float[Array, "b j"], width: float) -> Track:
    """Mean of the tokens in each bin, weighted by how long they overlap it.

    Args:
        track: tokens of `step` seconds each, around their times; masked ones have no weight.
        step: seconds a token lasts.
        centres: middles of the bins.
        width: seconds a bin lasts.

    Returns:
        One token a bin, zero and masked where no token that exists overlaps the bin.
    """
    starts = jnp.maximum((track.times - step / 2)[:, None, :], (centres - width / 2)[:, :, None])
    ends = jnp.minimum((track.times + step / 2)[:, None, :], (centres + width / 2)[:, :, None])
    weights = jnp.maximum(ends - starts, 0.0) * track.mask[:, None, :]
    total = jnp.sum(weights, axis=2)
    exists = total > 0.01 * min(step, width)  # less is rounding of touching edges
    weights = jnp.where(exists[..., None], weights / jnp.where(exists, total, 1.0)[..., None], 0.0)
    pooled = jnp.einsum("bjn,bnd->bjd", weights, track.features.astype(jnp.float32))
    return Track(keep_on_batch(pooled), centres, exists)


def masked_mean(x: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
    """Mean over the tokens that exist; 0 where none does."""
    count = jnp.maximum(jnp.sum(mask, axis=1), 1)
    return jnp.sum(jnp.where(mask[..., None], x, 0.0), axis=1) / count[:, None]


def time_embedding(seconds: Float[Array, "b n"], width: int) -> Float[Array, "b n d"]:
    """Sines and cosines of the time, at periods from two frames of video to 80 s, float32."""
    exponents = jnp.linspace(0.0, 1.0, width // 2)
    periods = SHORTEST_PERIOD * (LONGEST_PERIOD / SHORTEST_PERIOD) ** exponents
    angles = 2 * jnp.pi * seconds[..., None] / periods
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def speech_mask(waveform: Float[Array, "b s"], mask: Bool[Array, "b g"]) -> Bool[Array, "b g"]:
    """Grid bins with sound that is not silent: near enough to the clip's loudest bin.

    Raises:
        ValueError: the samples do not divide evenly into the grid's bins.
    """
    if waveform.shape[1] % mask.shape[1]:
        raise ValueError(
            f"speech_mask: {waveform.shape[1]} samples do not tile {mask.shape[1]} bins"
        )
    power = jnp.mean(waveform.reshape(*mask.shape, -1) ** 2, axis=-1)
    loudness = 10 * jnp.log10(jnp.where(mask, power, 0.0) + 1e-12)
    threshold = jnp.max(loudness, axis=1, keepdims=True) - BELOW_LOUDEST_DB
    return mask & (loudness > jnp.maximum(threshold, SILENCE_DBFS))
