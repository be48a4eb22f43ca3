"""Long-term spectral statistics of a voice: how each band of its spectrum moves, over a whole clip.

Vocoders smooth what lies between harmonics and how they move. Statistics of long windows, in which
harmonics stand apart, hold that without saying who spoke what when, so that little can be learnt by
heart (Muckenhirn et al. 2017, "Long-Term Spectral Statistics for Voice Presentation Attack
Detection"; theirs are mean and deviation, these also differences). Nothing is learned here.
Letters: s samples, w a window's samples, r frames, f bins, g grid bins of 40 ms.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Bool, Float

from cad_jax.models.log_mel import decades
from cad_jax.parallel.mesh import on_own_clips

HOPS = {window: 5 * window // 16 for window in (512, 1024, 2048)}  # 10, 20 and 40 ms
BANDS = 64  # of 125 Hz
MIDDLES = (0.2, 0.15, 0.12)  # about what deviation, change and slope of speech are, ...
SPREAD = 0.04  # ... and how far they lie from these; in log-mel's unit of four decades
NEPERS = 4 * np.log(10)  # natural logarithms of power in that unit
COUNT = len(HOPS) * len(MIDDLES) * BANDS


@jax.named_scope("voice_statistics")
def voice_statistics(
    waveform: Float[Array, "b s"], mask: Bool[Array, "b g"]
) -> Float[Array, "b c"]:
    """Deviation over time, change from frame to frame, and slope over frequency, of log power.

    Each as a mean over the clip's frames, where loud ones count more, and over each of 64 bands,
    for three lengths of window; c = 576, centred and scaled alike for every clip.

    Args:
        waveform: 16 kHz in [-1, 1], float32; a multiple of 640 samples above 1024.
        mask: grid bins with sound.

    Raises:
        ValueError: the samples are too few, or no multiple of 640.
    """
    groups = []
    for window in HOPS:
        x = log_spectrum(waveform, window)
        exists = jnp.repeat(mask, x.shape[1] // mask.shape[1], axis=1).astype(jnp.float32)
        loudness = jnp.mean(x, axis=2)
        above_mean = loudness - _mean(loudness[..., None], exists)
        weight = exists * jax.nn.sigmoid(NEPERS * above_mean)
        variance = _mean((x - _mean(x, weight)[:, None]) ** 2, weight)
        deviation = jnp.sqrt(variance + 1e-6)
        change = _mean(jnp.abs(jnp.diff(x, axis=1)), weight[:, 1:] * weight[:, :-1])
        slope = _mean(jnp.abs(jnp.diff(x, axis=2, append=x[..., -1:])), weight)
        for statistic, middle in zip((deviation, change, slope), MIDDLES, strict=True):
            bands = jnp.mean(statistic.reshape(len(x), BANDS, -1), axis=2)
            groups.append((bands - middle) / SPREAD)
    return jnp.concatenate(groups, axis=1)


def _mean(x: Float[Array, "b r f"], weight: Float[Array, "b r"]) -> Float[Array, "b f"]:
    """Over frames; 0 where none has weight."""
    total = jnp.maximum(jnp.sum(weight, axis=1, keepdims=True), 1e-6)
    return jnp.einsum("brf,br->bf", x, weight / total, precision=Precision.HIGHEST)


@jax.named_scope("log_spectrum")
def log_spectrum(waveform: Float[Array, "b s"], window: int) -> Float[Array, "b r f"]:
    """Log power of a Hann window's f = w / 2 lowest bins, r = s / hop, in log-mel's unit.

    Args:
        waveform: 16 kHz in [-1, 1], float32; longer than half a window, whose ends are reflected.
        window: its samples, one of `HOPS`.

    Raises:
        ValueError: s is no multiple of the hop, or too short to reflect.
    """
    hop, samples = HOPS[window], waveform.shape[1]
    if samples % hop or samples <= window // 2:
        raise ValueError(
            f"log_spectrum: {samples} samples; need a multiple of {hop} above {window // 2}"
        )
    padded = jnp.pad(waveform, ((0, 0), (window // 2, window // 2)), mode="reflect")
    # A hop is five sixteenths of a window, so sixteen strided views replace a gather.
    parts = padded.reshape(len(padded), -1, window // 16)
    views = [parts[:, first::5][:, : samples // hop] for first in range(16)]
    frames = jnp.concatenate(views, axis=-1)
    shape = np.hanning(window + 1)[:-1].astype(np.float32)
    spectrum = on_own_clips(jnp.fft.rfft, frames * shape)[..., :-1]
    return decades(spectrum.real**2 + spectrum.imag**2)
