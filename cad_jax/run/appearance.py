"""What a clip looks and sounds like, whatever it shows or says: spectra, texture and voice.

By these a clip is held against what the detector was trained on. The detector's own features would
not do: it keeps of a clip what tells forged from genuine and drops what tells one kind of clip from
another. Nothing is learned here.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from cad_jax.models import texture, voice
from cad_jax.models.clip import visible
from cad_jax.models.log_mel import HOP, log_mel
from cad_jax.parallel.mesh import on_own_clips
from cad_jax.types import Batch
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

RINGS = 16  # of a picture's spectrum, from the mean to the finest detail
MELS = 80
SMALLEST = texture.SIDES  # pixels that a picture's side needs
_FLOOR = 1e-6  # power; far below one grey level
_CHANNELS = 3 * (RINGS + 2)

SEEN = 2 * _CHANNELS + texture.COUNT  # features of the picture, which come first
HEARD = 2 * MELS + voice.COUNT


@jax.named_scope("appearance")
def appearance(batch: Batch) -> Float[Array, "b d"]:
    """Mean and deviation over time of a clip's spectra; statistics of its texture and its voice.

    Returns:
        d = SEEN + HEARD; nan where a modality is missing.
    """
    hops = SAMPLE_RATE // FRAME_RATE // HOP
    clip = visible(batch)  # as the model sees it, so that the compiler joins what both compute
    frames, exists = clip.frames, clip.frame_mask
    side = frames.shape[2] // texture.SIDES * texture.SIDES
    seen = [
        _over_time(picture_spectra(frames), exists),
        texture.texture_statistics(frames[:, :, :side, :side], exists),
    ]
    waveform, sounds = clip.waveform, clip.waveform_mask
    levels = jnp.swapaxes(log_mel(waveform, MELS), 1, 2)
    heard = [
        _over_time(levels, jnp.repeat(sounds, hops, axis=1)),
        voice.voice_statistics(waveform, sounds),
    ]
    video = jnp.where(batch["has_video"][:, None], jnp.concatenate(seen, axis=1), jnp.nan)
    audio = jnp.where(batch["has_audio"][:, None], jnp.concatenate(heard, axis=1), jnp.nan)
    return jnp.concatenate([video, audio], axis=1)


def picture_spectra(frames: UInt8[Array, "b t h w 3"]) -> Float[Array, "b t c"]:
    """Of brightness and the two colour differences: log power in rings of frequency, mean, spread.

    Raises:
        ValueError: frames that are not square.
    """
    side = frames.shape[2]
    if side != frames.shape[3]:
        raise ValueError(f"frames of {side} x {frames.shape[3]} pixels; they must be square")
    rgb = frames.astype(jnp.float32) / 255
    bright = rgb @ jnp.array(texture.LUMA)
    parts = []
    for channel in (bright, rgb[..., 2] - bright, rgb[..., 0] - bright):
        mean = jnp.mean(channel, axis=(2, 3))
        rest = (channel - mean[..., None, None]) * _window(side)
        power = jnp.abs(on_own_clips(jnp.fft.fft2, rest)) ** 2
        rings = power.reshape(*power.shape[:2], -1) @ _rings(side)
        spread = jnp.std(channel, axis=(2, 3))
        parts += [jnp.log10(rings + _FLOOR), jnp.stack([mean, spread], axis=-1)]
    return jnp.concatenate(parts, axis=-1)


def _over_time(x: Float[Array, "b n c"], mask: Bool[Array, "b n"]) -> Float[Array, "b d"]:
    exists = mask[..., None]
    count = jnp.maximum(jnp.sum(exists, axis=1), 1)
    mean = jnp.sum(jnp.where(exists, x, 0.0), axis=1) / count
    squares = jnp.where(exists, (x - mean[:, None]) ** 2, 0.0)
    spread = jnp.sqrt(jnp.sum(squares, axis=1) / count)
    return jnp.concatenate([mean, spread], axis=1)


@functools.cache
def _window(side: int) -> Float[np.ndarray, "h h"]:
    """Fades a picture out towards its borders, whose jump would otherwise fill its spectrum."""
    return np.outer(np.hanning(side), np.hanning(side)).astype(np.float32)


@functools.cache
def _rings(side: int) -> Float[np.ndarray, "p r"]:
    """What averages a picture's frequencies in rings up to half the sampling rate and beyond."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))).ravel()
    ring = np.minimum((frequency / 0.5 * RINGS).astype(int), RINGS - 1)
    member = np.eye(RINGS, dtype=np.float32)[ring]
    return member / np.maximum(member.sum(axis=0), 1)
