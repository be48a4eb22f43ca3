"""The microphone and the room: phase, reverberation, noise, band, amplifier. One law for all.

Owns the cures for what would otherwise tell a vocoder's sound by one number: espeak's constant
offset and fixed polarity (AUC .77), the asymmetry that vocoders lose (AUC .84 to .89), and the
higher peaks of Griffin-Lim (AUC .65). Knows nothing of labels; `rng` must be one that no forgery
draws from.
"""

import numpy as np
import scipy.signal
from jaxtyping import Float

from data_pipelines.corruptions.sound import echo
from data_pipelines.records.clip import SAMPLE_RATE

Sound = Float[np.ndarray, " s"]

_QUIET = 1e-9
_MU = 255.0


def record(sound: Sound, rng: np.random.Generator) -> Sound:
    """Dry sound as a random microphone in a random room records it; within [-1, 1]."""
    sound = _without_offset(sound, rng)
    sound = _all_pass(sound, rng)
    sound = disperse(sound, rng)
    if rng.random() < 0.7:
        sound = _reverberate(sound, rng)
    sound = _add_noise(sound, rng)
    sound = _limit_band(sound, rng)
    sound = _amplify(sound, rng)
    sound = sound / (_rms(sound) + _QUIET) * 10 ** (rng.uniform(-30, -16) / 20)
    if rng.random() < 0.3:
        sound = _telephone_steps(sound)
    return np.clip(sound, -1, 1)


def disperse(sound: Sound, rng: np.random.Generator) -> Sound:
    """Smears the phase by 2.5 to 5.5 ms: speech is no longer pulses, vocoded or not."""
    knots = np.arange(0, SAMPLE_RATE / 2 + 1, 125.0)
    delays = rng.normal(0, 1, len(knots)) * rng.uniform(2.5, 5.5) * 1e-3
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    step = frequencies[1] - frequencies[0]
    phase = 2 * np.pi * np.cumsum(np.interp(frequencies, knots, delays)) * step
    return np.fft.irfft(np.fft.rfft(sound) * np.exp(-1j * phase), len(sound))


def _without_offset(sound: Sound, rng: np.random.Generator) -> Sound:
    return _filtered(sound, 2, rng.uniform(45, 90), "high") * rng.choice([-1.0, 1.0])


def _all_pass(sound: Sound, rng: np.random.Generator) -> Sound:
    for _ in range(rng.integers(2, 7)):
        angle = 2 * np.pi * np.exp(rng.uniform(np.log(80), np.log(5000))) / SAMPLE_RATE
        radius = rng.uniform(0.6, 0.97)
        poles = [1, -2 * radius * np.cos(angle), radius**2]
        sound = np.asarray(scipy.signal.lfilter(poles[::-1], poles, sound))
    return sound


def _reverberate(sound: Sound, rng: np.random.Generator) -> Sound:
    length = int(SAMPLE_RATE * rng.uniform(0.08, 0.45))
    wet = scipy.signal.fftconvolve(sound, echo(length, rng))[: len(sound)]
    return sound + rng.uniform(0.05, 0.5) * wet


def _add_noise(sound: Sound, rng: np.random.Generator) -> Sound:
    """White, pinkish, or rumble with mains hum, 12 to 42 dB below the speech."""
    noise = rng.standard_normal(len(sound))
    kind = rng.choice(["white", "pink", "rumble"])
    if kind == "pink":
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 8.0), len(sound))
    elif kind == "rumble":
        noise = np.asarray(scipy.signal.lfilter([1], [1, -0.85], noise))
        hum = np.sin(
            2 * np.pi * rng.choice([50, 60, 100, 120]) * np.arange(len(sound)) / SAMPLE_RATE
        )
        noise = noise + 0.5 * hum * noise.std() * rng.uniform(0, 3)
    level = (_rms(sound) + 3e-5) * 10 ** (-rng.uniform(12, 42) / 20)
    return sound + noise / (noise.std() + _QUIET) * level


def _limit_band(sound: Sound, rng: np.random.Generator) -> Sound:
    if rng.random() < 0.6:
        sound = _filtered(sound, 4, rng.uniform(3300, 7600), "low")
    if rng.random() < 0.4:
        sound = _filtered(sound, 2, rng.uniform(60, 250), "high")
    return sound


def _amplify(sound: Sound, rng: np.random.Generator) -> Sound:
    """A soft limit at 2 to 4 times the level, for one half-wave lower than for the other.

    It gives skewness and crest factor a law of their own: Griffin-Lim lowers the one and raises the
    other. Last of all filters, since any filter would change both again.
    """
    limit = np.exp(rng.uniform(np.log(2), np.log(4)))
    bent = np.tanh(sound / (limit * _rms(sound) + _QUIET) + rng.normal(0, 0.15))
    return bent - bent.mean()


def _filtered(sound: Sound, order: int, corner: float, kind: str) -> Sound:
    """Butterworth filter; the corner in Hz, kind `low` or `high`."""
    sections = scipy.signal.butter(order, corner / (SAMPLE_RATE / 2), kind, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, sound))


def _telephone_steps(sound: Sound) -> Sound:
    """Mu-law in 8 bits and back."""
    sound = np.clip(sound, -1, 1)
    coded = np.round(np.sign(sound) * np.log1p(_MU * np.abs(sound)) / np.log1p(_MU) * 127) / 127
    return np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))
