"""Shallow statistics of a clip, each of which should say nothing about its label.

Owns the numbers that shortcuts are made of: silence, level, spectrum, colour, file size, sharpness,
motion, and what the source file was like. Knows nothing of what they are compared with (see
`probes`).
"""

from collections.abc import Mapping

import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from data_pipelines.media.remedies import SILENCE
from data_pipelines.records.clip import SAMPLE_RATE, ClipRecord

Features = dict[str, float]

_FRAME_STEP = 5  # every fifth frame is looked at
_BLOCKS = 100  # of the sound, for silence
_ROLLOFFS = (0.5, 0.85, 0.95, 0.99)
_TINY = 1e-9
# Statistic -> where a record's provenance tells it; 0 is what a file says that lacks the modality.
_SOURCE = {
    "resolution.width": "width",
    "resolution.height": "height",
    "rate.fps": "fps",
    "rate.audio": "audio_rate",
    "face.width": "face_px",
    "face.count": "faces",
    "duration.file": "duration_s",
    "streams.video": "video_streams",
    "streams.audio": "audio_streams",
    "channels.audio": "audio_channels",
}
# Those that are a statistic for each of their values, 1 where it is the clip's.
_SOURCE_KINDS = {
    "codec.video": "video_codec",
    "codec.audio": "audio_codec",
    "pixels.aspect": "pixel_aspect",
    "orientation.exif": "orientation",
    "scan.type": "scan",
    "transfer.curve": "transfer",
    "mix.audio": "audio_mix",
}
# What preparation put right; 0 is as good a value as others.
_MENDED = {
    "mended.stamps": "stamps_mended",
    "mended.cut": "audio_cut_ms",
    "mended.filled": "audio_filled_ms",
    "mended.residual": "audio_residual_ms",
}


def clip_features(clip: ClipRecord) -> Features:
    """All statistics of the modalities that the clip has, by name (`probe.statistic`).

    Raises:
        ValueError: a frame is no JPEG.
    """
    features = source_features(clip.provenance)
    if clip.has_audio:
        sound = clip.audio.astype(np.float64) / 32768
        features |= sound_features(sound) | {"duration.audio": len(sound) / SAMPLE_RATE}
    if clip.has_video:
        chosen = clip.frames[::_FRAME_STEP]
        frames = np.stack([simplejpeg.decode_jpeg(frame, "RGB") for frame in chosen])
        features |= picture_features(frames)
        features |= {
            "duration.video": float(len(clip.frames)),
            "size.jpeg": float(np.mean([len(frame) for frame in clip.frames])),
        }
    return features


def source_features(provenance: Mapping[str, str]) -> Features:
    """What is recorded of the file that a clip is from, before any cure: size, rates, codecs.

    A codec is a statistic of its own, 1 where it is the clip's (`codec.video=h264`); so are the
    shape of the pixels, the orientation and the like.
    """
    numbers = {name: _number(provenance.get(key, "")) for name, key in _SOURCE.items()}
    features = {name: value for name, value in numbers.items() if value > 0}
    if (size := _number(provenance.get("bytes", ""))) > 0 and "duration.file" in features:
        features["bitrate.total"] = 8e-3 * size / features["duration.file"]
    for name, key in _SOURCE_KINDS.items():
        if kind := provenance.get(key, ""):
            features[f"{name}={kind}"] = 1.0
    mended = {name: provenance.get(key, "") for name, key in _MENDED.items()}
    return features | {name: _number(text) for name, text in mended.items() if text}


def sound_features(sound: Float[np.ndarray, " s"]) -> Features:
    """Silence, level, offset, asymmetry, spectrum of at least 100 samples in [-1, 1]."""
    blocks = sound[: len(sound) // _BLOCKS * _BLOCKS].reshape(_BLOCKS, -1)
    loudness = np.sqrt((blocks**2).mean(axis=1) + _TINY**2)
    speech = loudness > 0.1 * loudness.max()
    rms = np.sqrt((sound**2).mean()) + _TINY
    skewness = (sound**3).mean() / rms**3
    return {
        "silence.start": _silence_ms(sound),
        "silence.end": _silence_ms(sound[::-1]),
        "silence.leading": float(speech.argmax()),
        "silence.trailing": float(speech[::-1].argmax()),
        "silence.share": float(1 - speech.mean()),
        "silence.floor": float(np.log(loudness.min() + _TINY)),
        "level.rms": float(rms),
        "level.peak": float(np.abs(sound).max()),
        "level.crest": float(np.abs(sound).max() / rms),
        "offset.mean": float(sound.mean() / rms),
        "offset.magnitude": float(abs(sound.mean()) / rms),
        "polarity.skewness": float(skewness),
        "asymmetry.skewness": float(abs(skewness)),
        **_spectrum_features(sound),
    }


def picture_features(frames: UInt8[np.ndarray, "t h w 3"]) -> Features:
    """Colour, sharpness and motion of frames."""
    values = frames.astype(np.float32)
    green = values[..., 1]
    centre = green[:, 1:-1, 1:-1]
    beside = green[:, 1:-1, :-2] + green[:, 1:-1, 2:]
    above = green[:, :-2, 1:-1] + green[:, 2:, 1:-1]
    motion = np.abs(np.diff(values, axis=0)).mean(axis=(1, 2, 3)) if len(frames) > 1 else [0.0]
    red, mean_green, blue = values.mean(axis=(0, 1, 2))
    return {
        "brightness.mean": float(0.299 * red + 0.587 * mean_green + 0.114 * blue),
        "colour.red": float(red),
        "colour.green": float(mean_green),
        "colour.blue": float(blue),
        "colour.spread": float(values.std()),
        "sharpness.laplacian": float(np.abs(4 * centre - beside - above).mean()),
        "motion.mean": float(np.mean(motion)),
        "motion.largest": float(np.max(motion)),
    }


def _silence_ms(sound: Float[np.ndarray, " s"]) -> float:
    """Until the first sample beyond the threshold of the published probe."""
    loud = np.abs(sound) > SILENCE
    return 1000 / SAMPLE_RATE * float(loud.argmax() if loud.any() else len(sound))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _spectrum_features(sound: Float[np.ndarray, " s"]) -> Features:
    power = np.abs(np.fft.rfft(sound)) ** 2 + _TINY
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    share = np.cumsum(power) / power.sum()
    rolloffs = frequencies[np.searchsorted(share, _ROLLOFFS).clip(max=len(frequencies) - 1)]
    crossings = np.mean(np.diff(np.signbit(sound)))
    return {
        "spectrum.centroid": float(frequencies @ power / power.sum()),
        "spectrum.crossings": float(crossings),
        **{f"spectrum.rolloff{q:g}": float(f) for q, f in zip(_ROLLOFFS, rolloffs, strict=True)},
    }
