"""What befalls sound besides codecs: pure functions of 16 kHz mono, a value and a generator.

None of them moves the sound in time. What is drawn is the same at every value.
"""

import numpy as np
import scipy  # loads `scipy.signal`, a second of work, when it is first used
from jaxtyping import Float, Float32, Int16

from data_pipelines.corruptions.codecs import to_int16
from data_pipelines.records.clip import SAMPLE_RATE

Sound = Int16[np.ndarray, " s"]
Waveform = Float32[np.ndarray, " s"]

_SILENT_S = 0.003  # between the direct sound and its first echo
_EVEN_S = 0.5  # reverberation time of the room whose echo is as strong as the direct sound
_DECAY = 6.9  # 60 dB as a natural logarithm of amplitudes


def add_noise(waveform: Waveform, snr_db: float, rng: np.random.Generator) -> Waveform:
    """Adds white noise `snr_db` below the waveform's mean power."""
    scale = np.sqrt(np.mean(np.square(waveform)) * 10 ** (-snr_db / 10))
    return waveform + scale.astype(np.float32) * rng.standard_normal(len(waveform), np.float32)


def white_noise(sound: Sound, snr_db: float, rng: np.random.Generator) -> Sound:
    """White noise `snr_db` below the clip's mean power."""
    return to_int16(add_noise(_to_float(sound), snr_db, rng))


def resample(sound: Sound, rate: int) -> Sound:
    """To a lower rate, in Hz, and back, by linear-phase filters: nothing above half of it stays."""
    low = scipy.signal.resample_poly(_to_float(sound), rate, SAMPLE_RATE)
    return to_int16(scipy.signal.resample_poly(low, SAMPLE_RATE, rate)[: len(sound)])


def echo(length: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    """A diffuse field's response: noise that decays by 60 dB, at unit energy.

    Args:
        length: samples, the reverberation time.
        rng: consumed.

    References:
        Polack, La transmission de l'energie sonore dans les salles, 1988.
    """
    response = rng.standard_normal(length) * np.exp(-_DECAY * np.arange(length) / length)
    response[: int(_SILENT_S * SAMPLE_RATE)] = 0
    return response / np.sqrt((response**2).sum())


def reverberate(sound: Sound, seconds: float, rng: np.random.Generator) -> Sound:
    """The direct sound and its echo, at the level of before.

    Args:
        sound: dry.
        seconds: reverberation time (60 dB). The echo's energy grows with it, as in rooms of one
            size; at 0.5 s it is that of the direct sound.
        rng: of the room.
    """
    dry = _to_float(sound).astype(np.float64)
    response = echo(round(seconds * SAMPLE_RATE), rng) * (seconds / _EVEN_S) ** 0.5
    wet = dry + scipy.signal.fftconvolve(dry, response)[: len(dry)]
    return to_int16(wet * np.sqrt((dry**2).sum() / (wet**2).sum()))


def clip_peaks(sound: Sound, share: float) -> Sound:
    """Limits the loudest `share` of the samples to the level that the others stay below."""
    limit = np.quantile(np.abs(sound.astype(np.int32)), 1 - share)
    return np.clip(sound, -limit, limit).astype(np.int16)


def attenuate(sound: Sound, decibels: float) -> Sound:
    """Quieter by so much, in 16 bits."""
    return to_int16(_to_float(sound) * 10 ** (-decibels / 20))


def _to_float(sound: Sound) -> Waveform:
    return sound / np.float32(32767)
