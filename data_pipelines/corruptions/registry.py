"""The kinds of corruption by name, five severities each, and how one is applied to a clip's media.

A corrupted clip is a function of (its name, kind, severity). Strengths are the literature's where
it has any: for pictures DeeperForensics-1.0 (arXiv 2001.03024) and ImageNet-C (arXiv 1903.12261),
with FaceForensics++'s c23 and c40 among the rate factors; for sound the choice is ours.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Int16, UInt8

from data_pipelines.corruptions import codecs, picture, sound
from data_pipelines.errors import UserError, nearest

SEVERITIES = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One kind.

    Attributes:
        modality: what it changes.
        unit: of the values.
        values: for each of `SEVERITIES`.
        apply: media of one clip, a value and a generator; gives media of the same shape and type.
        encoders: those of FFmpeg that it needs.
    """

    modality: Literal["picture", "sound"]
    unit: str
    values: tuple[float | int, ...]
    apply: Callable[[Any, Any, np.random.Generator], Any]
    encoders: tuple[str, ...] = ()


def _fixed(function: Callable) -> Callable:
    """Of a function in which nothing is drawn."""
    return lambda media, value, rng: function(media, value)


def _video_codec(encoder: str) -> Corruption:
    return Corruption(
        "picture",
        "CRF",
        (23, 30, 35, 40, 45),
        lambda frames, crf, rng: codecs.picture_round_trip(frames, encoder, crf),
        (encoder,),
    )


def _audio_codec(encoder: str, *kilobits: int) -> Corruption:
    return Corruption(
        "sound",
        "kbit/s",
        kilobits,
        lambda of, rate, rng: codecs.sound_round_trip(of, encoder, 1000 * rate),
        (encoder,),
    )


KINDS = {
    "h264": _video_codec("libx264"),
    "hevc": _video_codec("libx265"),
    "jpeg": Corruption("picture", "quality", (25, 18, 15, 10, 7), _fixed(picture.recompress)),
    "blur": Corruption(
        "picture", "px sigma at 224", (1.0, 2.0, 3.0, 4.0, 6.0), _fixed(picture.blur_at_224)
    ),
    "gaussian_noise": Corruption(
        "picture", "variance", (0.001, 0.002, 0.005, 0.01, 0.05), picture.gaussian_noise
    ),
    "resize": Corruption("picture", "factor", (2.0, 3.0, 4.0, 5.0, 6.0), _fixed(picture.shrink)),
    "contrast": Corruption(
        "picture", "factor", (0.85, 0.725, 0.6, 0.475, 0.35), _fixed(picture.contrast)
    ),
    "occlusion": Corruption(
        "picture", "share of the area", (0.05, 0.1, 0.2, 0.3, 0.4), picture.occlude
    ),
    "frame_drops": Corruption(
        "picture", "share of frames", (0.1, 0.2, 0.3, 0.4, 0.5), picture.freeze
    ),
    "white_noise": Corruption("sound", "dB SNR", (25.0, 20.0, 15.0, 10.0, 5.0), sound.white_noise),
    "mp3": _audio_codec("libmp3lame", 48, 32, 24, 16, 8),
    "aac": _audio_codec("aac", 64, 32, 24, 16, 8),
    "opus": _audio_codec("libopus", 32, 24, 16, 8, 6),
    "resampling": Corruption(
        "sound", "Hz", (12_000, 8_000, 6_000, 4_000, 3_000), _fixed(sound.resample)
    ),
    "reverberation": Corruption("sound", "s RT60", (0.2, 0.4, 0.6, 0.9, 1.3), sound.reverberate),
    "clipping": Corruption(
        "sound", "share of samples", (0.01, 0.05, 0.1, 0.2, 0.4), _fixed(sound.clip_peaks)
    ),
    "gain": Corruption(
        "sound", "dB quieter", (6.0, 12.0, 18.0, 24.0, 30.0), _fixed(sound.attenuate)
    ),
    "telephone": Corruption(
        "sound",
        "bits a sample",
        (8, 5, 4, 3, 2),
        _fixed(codecs.telephone_round_trip),
        ("pcm_mulaw", "g726"),
    ),
}


def find_corruption(kind: str, severity: int) -> Corruption:
    """A kind, after a look at whether it can be applied here.

    Raises:
        UserError: no such kind or severity, or FFmpeg lacks its encoder.
    """
    if kind not in KINDS:
        raise UserError(f"no corruption {kind!r}: {nearest(kind, KINDS)}")
    if severity not in SEVERITIES:
        raise UserError(f"{kind}: severity {severity} is not one of 1 to {SEVERITIES[-1]}")
    for encoder in KINDS[kind].encoders:
        codecs.check_encoder(encoder)
    return KINDS[kind]


def corrupt(
    media: UInt8[np.ndarray, "t h w 3"] | Int16[np.ndarray, " s"],
    kind: str,
    severity: int,
    clip_id: str,
) -> UInt8[np.ndarray, "t h w 3"] | Int16[np.ndarray, " s"]:
    """A clip's frames, or its sound, as the kind and severity make them.

    What is drawn depends on name and kind: severities differ in strength alone. What is not there
    and silence stay as they are.

    Args:
        media: frames at 25 Hz for a kind of picture, samples at 16 kHz for one of sound.
        kind: of `KINDS`.
        severity: 1 to 5.
        clip_id: decides what is drawn.

    Raises:
        UserError: see `find_corruption`.
    """
    corruption = find_corruption(kind, severity)
    if not media.any():
        return media
    seed = hashlib.sha256(f"{kind}/{clip_id}".encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    return corruption.apply(media, corruption.values[severity - 1], rng)
