"""Phonemes to mouth shapes: 16 visemes blended over time by dominance functions.

Owns the table from espeak's mnemonics to visemes and from visemes to weights of the head's facial
units (ARKit names). Knows nothing of sound beyond phoneme times.

References:
    Cohen, Massaro, Modeling coarticulation in synthetic visual speech, 1993.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from data_pipelines.records.clip import FRAME_RATE
from data_pipelines.synthetic.espeak import Phoneme
from data_pipelines.synthetic.head import load_head


@dataclasses.dataclass(frozen=True)
class ArticulationStyle:
    """How a person moves the mouth.

    Attributes:
        amplitude: of all mouth movements.
        lead: seconds by which the mouth is ahead of the sound.
        tempo: spread of the visemes in time; larger is lazier.
        asymmetry: left against right.
        smile: always on the lips.
    """

    amplitude: float
    lead: float
    tempo: float
    asymmetry: float
    smile: float


@dataclasses.dataclass(frozen=True)
class _Viseme:
    """A mouth shape, how strongly it pulls, and over how many seconds."""

    dominance: float
    spread: float
    shape: dict[str, float]


# Names without Left or Right move both sides.
_VISEMES = {
    "silence": _Viseme(0.6, 0.09, {}),
    "PP": _Viseme(4.0, 0.035, {"mouthPress": 0.22, "mouthRollLower": 0.2, "mouthRollUpper": 0.1,
        "mouthShrugLower": 0.35}),
    "FF": _Viseme(3.0, 0.045, {"mouthRollLower": 0.75, "mouthUpperUp": 0.45, "jawOpen": 0.04,
        "mouthShrugLower": 0.25}),
    "TH": _Viseme(1.3, 0.05, {"jawOpen": 0.13, "mouthLowerDown": 0.5, "mouthUpperUp": 0.3,
        "tongueUp": 0.5, "tongueOut": 0.35}),
    "DD": _Viseme(0.9, 0.05, {"jawOpen": 0.1, "mouthLowerDown": 0.45, "mouthStretch": 0.2,
        "mouthUpperUp": 0.2, "tongueUp": 0.9}),
    "SS": _Viseme(1.4, 0.05, {"jawOpen": 0.03, "mouthStretch": 0.55, "mouthLowerDown": 0.6,
        "mouthUpperUp": 0.7, "tongueUp": 0.4}),
    "CH": _Viseme(1.8, 0.055, {"jawOpen": 0.06, "mouthFunnel": 0.65, "mouthPucker": 0.2,
        "mouthUpperUp": 0.3, "mouthLowerDown": 0.3, "tongueUp": 0.4}),
    "kk": _Viseme(0.6, 0.055, {"jawOpen": 0.15, "mouthLowerDown": 0.3}),
    "RR": _Viseme(1.1, 0.055, {"jawOpen": 0.09, "mouthFunnel": 0.42, "mouthPucker": 0.35,
        "tongueUp": 0.5}),
    "aa": _Viseme(1.5, 0.07, {"jawOpen": 0.46, "mouthLowerDown": 0.35, "mouthUpperUp": 0.5}),
    "ae": _Viseme(1.5, 0.07, {"jawOpen": 0.37, "mouthLowerDown": 0.4, "mouthStretch": 0.4,
        "mouthUpperUp": 0.6}),
    "E": _Viseme(1.2, 0.065, {"jawOpen": 0.26, "mouthStretch": 0.35, "mouthLowerDown": 0.35,
        "mouthUpperUp": 0.5}),
    "I": _Viseme(1.3, 0.065, {"jawOpen": 0.11, "mouthStretch": 0.55, "mouthSmile": 0.18,
        "mouthLowerDown": 0.4, "mouthUpperUp": 0.6}),
    "O": _Viseme(1.6, 0.075, {"jawOpen": 0.31, "mouthFunnel": 0.5, "mouthPucker": 0.4}),
    "U": _Viseme(1.7, 0.075, {"jawOpen": 0.09, "mouthPucker": 0.95, "mouthFunnel": 0.25}),
    "@": _Viseme(0.9, 0.055, {"jawOpen": 0.19, "mouthLowerDown": 0.4, "mouthUpperUp": 0.15}),
}  # fmt: skip

# The first entry that a mnemonic begins with decides; longer beginnings stand first.
_BEGINNINGS = (
    (("tS", "dZ", "S", "Z"), "CH"),
    (("aI", "aU", "A", "0", "V"), "aa"),
    (tuple("pbm"), "PP"),
    (tuple("fv"), "FF"),
    (tuple("TD"), "TH"),
    (tuple("tdnlL*"), "DD"),
    (tuple("sz"), "SS"),
    (tuple("kgNhxC?"), "kk"),
    (("r",), "RR"),
    (("w", "u", "U"), "U"),
    (("a",), "ae"),
    (tuple("Ee"), "E"),
    (tuple("Iij"), "I"),
    (tuple("OoQ"), "O"),
)
_DIPHTHONGS = {"aI": "I", "eI": "I", "OI": "I", "aU": "U", "oU": "U"}  # -> their second half
_FIRST_HALF = 0.55  # of a diphthong's duration
_STRESS_AND_PAUSE = "',_|;:=%-"


def viseme_of(mnemonic: str) -> str:
    """The viseme's name for espeak's mnemonic of a phoneme, stress marks and pauses included."""
    bare = mnemonic.strip(_STRESS_AND_PAUSE)
    if not bare:
        return "silence"
    return next((name for starts, name in _BEGINNINGS if bare.startswith(starts)), "@")


def mouth_track(
    phonemes: Sequence[Phoneme],
    *,
    start: float,
    end: float,
    num_frames: int,
    style: ArticulationStyle,
    lead: float,
) -> Float32[np.ndarray, "t u"]:
    """Weights of the facial units, frame by frame.

    Args:
        phonemes: with start times in seconds.
        start: the first frame's time on the same axis.
        end: when the speech ends.
        num_frames: at 25 Hz.
        style: the person's.
        lead: seconds by which the mouth is ahead of the sound; replaces the style's.
    """
    times = start + lead + np.arange(num_frames) / FRAME_RATE
    shapes = _shapes()
    pull = np.full(num_frames, 1e-3)
    blend = np.zeros((num_frames, len(load_head().expressions.names)))
    for begin, finish, name in _segments(phonemes, end):
        viseme = _VISEMES[name]
        centre, reach = (begin + finish) / 2, (finish - begin) / 2 * 0.6
        distance = np.maximum(np.abs(times - centre) - reach, 0) / (viseme.spread * style.tempo)
        weight = viseme.dominance * np.exp(-(distance**1.2))
        blend += weight[:, None] * shapes[name]
        pull += weight
    track = blend / pull[:, None] * style.amplitude
    left, right = _mouth_sides()
    track[:, left] *= 1 + style.asymmetry
    track[:, right] *= 1 - style.asymmetry
    return (track + style.smile * expression({"mouthSmile": 1.0})).astype(np.float32)


def expression(weights: dict[str, float]) -> Float[np.ndarray, " u"]:
    """A vector of weights from ARKit names; a name without Left or Right sets both sides."""
    names = load_head().expressions.names
    vector = np.zeros(len(names))
    for name, weight in weights.items():
        for side in [name] if name in names else [f"{name}Left", f"{name}Right"]:
            vector[names[side]] = weight
    return vector


def _segments(phonemes: Sequence[Phoneme], end: float) -> list[tuple[float, float, str]]:
    """(begin, end, viseme) without gaps, silence before and after; diphthongs count as two."""
    ends = [phoneme.start for phoneme in phonemes[1:]] + [end]
    segments = [(-1.0, phonemes[0].start, "silence")]
    for phoneme, finish in zip(phonemes, ends, strict=True):
        viseme = viseme_of(phoneme.mnemonic)
        second = _DIPHTHONGS.get(phoneme.mnemonic.strip("',")[:2])
        if second is None:
            segments.append((phoneme.start, finish, viseme))
            continue
        middle = phoneme.start + _FIRST_HALF * (finish - phoneme.start)
        segments += [(phoneme.start, middle, viseme), (middle, finish, second)]
    return [*segments, (end, end + 1.5, "silence")]


@functools.cache
def _shapes() -> dict[str, np.ndarray]:
    return {name: expression(viseme.shape) for name, viseme in _VISEMES.items()}


@functools.cache
def _mouth_sides() -> tuple[list[int], list[int]]:
    """Units of the mouth's left side and of its right side."""
    names = load_head().expressions.names
    # mouthLeft shifts the whole mouth; it has no other side.
    left = [n for n in names if n.startswith("mouth") and n.endswith("Left") and n != "mouthLeft"]
    return [names[n] for n in left], [names[n[: -len("Left")] + "Right"] for n in left]
