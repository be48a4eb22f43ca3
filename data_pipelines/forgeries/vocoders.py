"""Resynthesised speech: WORLD conversion, mel and Griffin-Lim, linear prediction, phase vocoder.

Each takes 16 kHz samples and returns as many, in time with the original to within a few
milliseconds. Random choices come from `rng`, strength from `traces`.
"""

import functools
import inspect

import librosa
import numpy as np
import scipy.linalg
import scipy.signal
from jaxtyping import Float, Float32

from data_pipelines.forgeries.traces import Traces
from data_pipelines.forgeries.world import pyworld
from data_pipelines.records.clip import SAMPLE_RATE

Sound = Float32[np.ndarray, " s"]

_WORLD_PERIOD, _WORLD_FFT = 8.0, 1024  # milliseconds, samples
_MEL_FFT, _MEL_TOP = 1024, 7600  # samples, Hz
# librosa 1.0 renamed it.
_GRIFFIN_LIM_SEED = (
    "rng" if "rng" in inspect.signature(librosa.griffinlim).parameters else "random_state"
)
_LPC_HOP, _LPC_WINDOW = 160, 480  # samples


def convert_voice(sound: Sound, rng: np.random.Generator, traces: Traces) -> Sound:
    """Another pitch and other formants by WORLD, from few and over-smoothed coefficients.

    Envelope and aperiodicity go through mel-cepstra and bands, which is what conversion models
    predict.

    References:
        Morise et al., WORLD: a vocoder-based high-quality speech synthesis system, 2016.
    """
    # WORLD divides by the power of a frame; digital silence has none.
    samples = sound.astype(np.float64) + 1e-6 * rng.standard_normal(len(sound))
    pitch, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=_WORLD_PERIOD)
    pitch = pyworld.stonemask(samples, pitch, times, SAMPLE_RATE)
    spectrum = pyworld.cheaptrick(samples, pitch, times, SAMPLE_RATE, fft_size=_WORLD_FFT)
    aperiodicity = pyworld.d4c(samples, pitch, times, SAMPLE_RATE, fft_size=_WORLD_FFT)
    higher = np.exp(rng.normal(0, traces.conversion_pitch))
    wider = np.clip(np.exp(rng.normal(0, traces.conversion_formants)), 0.8, 1.25)
    frames = int(rng.integers(*traces.conversion_smoothing))
    cepstrum = pyworld.code_spectral_envelope(
        spectrum, SAMPLE_RATE, int(rng.integers(*traces.conversion_cepstrum))
    )
    smoothed = scipy.signal.convolve(
        np.pad(cepstrum, ((frames // 2, (frames - 1) // 2), (0, 0)), "edge"),
        np.ones((frames, 1)) / frames,
        "valid",
    )
    spectrum = pyworld.decode_spectral_envelope(
        np.ascontiguousarray(smoothed), SAMPLE_RATE, _WORLD_FFT
    )
    bands = pyworld.code_aperiodicity(aperiodicity, SAMPLE_RATE)
    converted = pyworld.synthesize(
        pitch * higher,
        np.ascontiguousarray(np.exp(_stretch(np.log(spectrum), wider))),
        pyworld.decode_aperiodicity(bands, SAMPLE_RATE, _WORLD_FFT),
        SAMPLE_RATE,
        _WORLD_PERIOD,
    )
    return _as_long_as(sound, converted)


def resynthesise_mel(sound: Sound, rng: np.random.Generator, traces: Traces) -> Sound:
    """Through a mel spectrogram of 40 to 80 bands with small errors, and back by Griffin-Lim."""
    bands = int(rng.choice([40, 60, 80]))
    iterations, hop = int(rng.choice([6, 12, 24])), int(rng.choice([160, 200, 256]))
    filters, inverse = _mel_filters(bands)
    magnitude = np.abs(librosa.stft(sound, n_fft=_MEL_FFT, hop_length=hop))
    mel = np.einsum("mf,ft->mt", filters, magnitude)
    mel = np.exp(np.log(mel + 1e-4) + rng.normal(0, traces.mel_error, mel.shape))
    magnitude = np.maximum(np.einsum("fm,mt->ft", inverse, mel), 0).astype(np.float32)
    rebuilt = librosa.griffinlim(
        magnitude, n_iter=iterations, hop_length=hop, n_fft=_MEL_FFT, length=len(sound),
        **{_GRIFFIN_LIM_SEED: rng},  # type: ignore[arg-type]
    )  # fmt: skip
    return _as_long_as(sound, rebuilt)


def resynthesise_lpc(sound: Sound, rng: np.random.Generator) -> Sound:
    """Linear prediction excited by pulses and noise, as in early speech coders."""
    order = int(rng.choice([12, 16, 20]))
    window = np.hanning(_LPC_WINDOW)
    num_frames = len(sound) // _LPC_HOP
    excitation = np.pad(_excitation(sound, num_frames, rng), (0, _LPC_WINDOW))
    padded = np.pad(sound.astype(np.float64), (0, _LPC_WINDOW))
    rebuilt = np.zeros(len(padded))
    for start in range(0, num_frames * _LPC_HOP, _LPC_HOP):
        span = slice(start, start + _LPC_WINDOW)
        coefficients, gain = _linear_prediction(padded[span] * window, order)
        filtered = scipy.signal.lfilter([gain], coefficients, excitation[span])
        rebuilt[span] += filtered * window * (2 * _LPC_HOP / _LPC_WINDOW)
    return _as_long_as(sound, rebuilt)


def shift_pitch(sound: Sound, rng: np.random.Generator) -> Sound:
    """1.5 to 4 semitones up or down by a phase vocoder; the formants move along."""
    steps = float(rng.choice([-1, 1]) * rng.uniform(1.5, 4))
    # In float64, as Griffin-Lim's phases are: librosa 1.0 compiles its phasor for the first type it
    # meets, and rounds float32 otherwise where a float64 call came before in the same process.
    samples = sound.astype(np.float64)
    shifted = librosa.effects.pitch_shift(samples, sr=SAMPLE_RATE, n_steps=steps, n_fft=512)
    return _as_long_as(sound, shifted)


def _stretch(logarithm: Float[np.ndarray, "r n"], factor: float) -> Float[np.ndarray, "r n"]:
    """Moves spectral envelopes up in frequency by a factor."""
    last = logarithm.shape[1] - 1
    places = np.clip(np.arange(last + 1) / factor, 0, last)
    lower = places.astype(int)
    share = places - lower
    upper = np.minimum(lower + 1, last)
    return logarithm[:, lower] * (1 - share) + logarithm[:, upper] * share


@functools.cache
def _mel_filters(bands: int) -> tuple[np.ndarray, np.ndarray]:
    """[m f] filters and their pseudo-inverse [f m].

    Only neighbouring triangles overlap, so F F^T is tridiagonal. Neither this nor the products with
    it (einsum) go through BLAS, whose result depends on its number of threads.
    """
    filters = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=_MEL_FFT, n_mels=bands, fmax=_MEL_TOP, dtype=np.float64
    )
    overlap = np.zeros((2, bands))
    overlap[1] = (filters**2).sum(axis=1)
    overlap[0, 1:] = (filters[:-1] * filters[1:]).sum(axis=1)
    return filters, scipy.linalg.solveh_banded(overlap, filters).T


def _excitation(sound: np.ndarray, num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses at the pitch where voiced, noise elsewhere."""
    period = 1000 * _LPC_HOP / SAMPLE_RATE
    pitch, _ = pyworld.dio(sound.astype(np.float64), SAMPLE_RATE, frame_period=period)
    pitch = np.repeat(np.resize(pitch, num_frames), _LPC_HOP)
    phase = np.cumsum(pitch / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0) * np.sqrt(SAMPLE_RATE / np.maximum(pitch, 1))
    noise = rng.standard_normal(len(pitch))
    return np.where(pitch > 0, pulses + 0.15 * noise, noise)


def _linear_prediction(windowed: np.ndarray, order: int) -> tuple[np.ndarray, float]:
    """Coefficients and gain of the all-pole filter, by the autocorrelation method."""
    if np.sum(windowed**2) < 1e-7:
        return np.eye(1, order + 1)[0], 0.0
    middle = len(windowed) - 1
    correlation = np.correlate(windowed, windowed, "full")[middle : middle + order + 1]
    correlation[0] *= 1.0001
    predictor = scipy.linalg.solve_toeplitz(correlation[:order], correlation[1:])
    coefficients = np.concatenate([[1.0], -predictor])
    power = max(coefficients @ correlation, 1e-9)
    return coefficients, float(np.sqrt(power / (0.375 * len(windowed))))  # a Hann window's power


def _as_long_as(original: Sound, rebuilt: Float[np.ndarray, " n"]) -> Sound:
    kept = rebuilt[: len(original)].astype(np.float32)
    return np.pad(kept, (0, len(original) - len(kept)))
