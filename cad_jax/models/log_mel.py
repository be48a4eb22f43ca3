"""Log-mel spectrograms on the device, equal to Whisper's feature extractor.

Owns the spectrogram only. librosa's filter bank is the source of truth; nothing is learned here.
"""

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
from jax.lax import Precision
from jaxtyping import Array, Float

from data_pipelines.records.clip import SAMPLE_RATE

WINDOW, HOP = 400, 160  # samples: 25 ms and 10 ms
PADDED_SAMPLES = 30 * SAMPLE_RATE
FLOOR = 1e-10  # power
DYNAMIC_RANGE = 8.0  # decades below the clip's maximum


@jax.named_scope("log_mel")
def log_mel(
    waveform: Float[Array, "b s"], mels: int = 80, *, pad_to_30s: bool = False
) -> Float[Array, "b m r"]:
    """Whisper's input features (Radford et al. 2022, section 2.2), r = s / 160 frames of 10 ms.

    By default a clip is treated at its own length: its reflected end colours the last two frames,
    where Whisper's extractor, which pads with silence to 30 s, sees the silence.

    Args:
        waveform: 16 kHz in [-1, 1], float32; s a multiple of 160.
        mels: mel bins, 80, or 128 for large-v3.
        pad_to_30s: append silence to 30 s first, as Whisper's extractor does; r is then 3000.

    Raises:
        ValueError: s is no multiple of 160, too short to reflect, or over 30 s with `pad_to_30s`.
    """
    samples = waveform.shape[1]
    if samples % HOP or samples <= WINDOW // 2:
        raise ValueError(
            f"log_mel: {samples} samples; need a multiple of {HOP} above {WINDOW // 2}"
        )
    if pad_to_30s:
        if samples > PADDED_SAMPLES:
            raise ValueError(f"log_mel: {samples} samples are more than 30 s")
        waveform = jnp.pad(waveform, ((0, 0), (0, PADDED_SAMPLES - samples)))
    # Products by the DFT matrix rather than an FFT: a TPU moves fewer bytes for them, their program
    # compiles in half the time, and at this precision their error stays below the FFT's. HIGHEST
    # because the clamp keeps 80 dB.
    spectrum = jnp.matmul(frames(waveform), _windowed_dft(), precision=Precision.HIGHEST)
    real, imaginary = jnp.split(spectrum, 2, axis=-1)
    power = jnp.einsum(
        "brf,mf->bmr", real**2 + imaginary**2, mel_filters(mels), precision=Precision.HIGHEST
    )
    return decades(power)


def decades(power: Float[Array, "b x y"]) -> Float[Array, "b x y"]:
    """Log power, no further below each clip's maximum than the dynamic range; Whisper's scale."""
    log_power = jnp.log10(jnp.maximum(power, FLOOR))
    loudest = jnp.max(log_power, axis=(1, 2), keepdims=True)
    return (jnp.maximum(log_power, loudest - DYNAMIC_RANGE) + 4.0) / 4.0


def frames(waveform: Float[Array, "b s"]) -> Float[Array, "b r 400"]:
    """Overlapping windows centred on every hop, the ends reflected, the last STFT frame dropped."""
    batch, samples = waveform.shape
    count = samples // HOP
    padded = jnp.pad(waveform, ((0, 0), (WINDOW // 2, WINDOW // 2)), mode="reflect")
    # A window is two and a half hops, so three shifted views of whole hops replace a gather.
    padded = jnp.pad(padded, ((0, 0), (0, (count + 3) * HOP - padded.shape[1])))
    hops = padded.reshape(batch, count + 3, HOP)
    views = (hops[:, :count], hops[:, 1 : count + 1], hops[:, 2 : count + 2, : WINDOW - 2 * HOP])
    return jnp.concatenate(views, axis=-1)


@functools.cache
def mel_filters(mels: int) -> Float[np.ndarray, "m 201"]:
    """librosa's Slaney-normalised filter bank from 0 to 8 kHz, float32."""
    return librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=mels, fmin=0.0, fmax=SAMPLE_RATE / 2, norm="slaney"
    ).astype(np.float32)


@functools.cache
def _windowed_dft() -> Float[np.ndarray, "400 402"]:
    """The real DFT's cosines and sines, times a periodic Hann window."""
    window = np.hanning(WINDOW + 1)[:-1]
    angle = 2 * np.pi / WINDOW * np.arange(WINDOW)[:, None] * np.arange(WINDOW // 2 + 1)
    basis = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return (window[:, None] * basis).astype(np.float32)
