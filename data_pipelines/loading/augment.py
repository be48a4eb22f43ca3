"""Augmentation: what may happen to a training clip besides being chosen.

Owns pure functions of (arrays, generator). Whatever is drawn is drawn once for a clip and applied
to all of its frames: a change from frame to frame would look like a forgery. Knows nothing of
sources or order. All of it is off by default.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Float32, UInt8

from data_pipelines.errors import UserError, nearest
from data_pipelines.forgeries.operations import NAMES
from data_pipelines.loading.transforms import ClipRow, without_audio, without_video
from data_pipelines.records.clip import (
    IN_SYNC,
    OUT_OF_SYNC,
    REAL,
    SAMPLE_RATE,
    ClipRecord,
)
from data_pipelines.records.schema import ClipSummary

Images = UInt8[np.ndarray, "t h w 3"]
Waveform = Float32[np.ndarray, " s"]


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Probabilities, all 0 by default, and strengths.

    Attributes:
        flip, colour, blur, jpeg, cutout: probabilities of changing the picture.
        gain, noise, band_limit: probabilities of changing the sound.
        sync_shift, sync_exchange: probabilities that the sound of a clip genuine in both and in
            sync is taken from elsewhere in the record, or from another genuine clip
            (label_sync 0); exclusive, so their sum is at most 1.
        drop_video, drop_audio: probabilities that a clip with both loses one; exclusive likewise.
        colour_range: factors of brightness, contrast and saturation lie within 1 +- this.
        blur_sigma: standard deviation as a share of the image's side.
        jpeg_quality: 1 to 100.
        cutout_side: sides of the grey rectangle as shares of the image's; faces only, mouths never.
        gain_db: loudness changes by up to this, either way.
        noise_snr_db: signal over white noise.
        band_limit_hz: everything above is removed.
        sync_shift_seconds: how far the sound is shifted, either way.
        pseudo_fake_operations: names of `forgeries.operations`, equally likely where they fit. The
            default leaves out what the synthetic set keeps for its test of unseen manipulations
            (lpc, pitch, neural, smooth).
        pseudo_fake_traces: how visible and audible they are; see `forgeries.traces`.

    Raises:
        UserError: a probability is not one; there is no such operation.
    """

    flip: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    cutout: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    band_limit: float = 0.0
    sync_shift: float = 0.0
    sync_exchange: float = 0.0
    pseudo_fake: float = 0.0
    drop_video: float = 0.0
    drop_audio: float = 0.0
    colour_range: float = 0.2
    blur_sigma: tuple[float, float] = (0.004, 0.015)
    jpeg_quality: tuple[int, int] = (40, 90)
    cutout_side: tuple[float, float] = (0.1, 0.3)
    gain_db: float = 6.0
    noise_snr_db: tuple[float, float] = (15.0, 40.0)
    band_limit_hz: tuple[float, float] = (3000.0, 7500.0)
    sync_shift_seconds: tuple[float, float] = (0.2, 0.6)
    pseudo_fake_operations: tuple[str, ...] = ("self_blend", "mouth", "world", "mel", "splice")
    pseudo_fake_traces: Literal["clear", "subtle"] = "clear"

    def __post_init__(self) -> None:
        chances = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.default == 0.0
        }
        chances["sync_shift + sync_exchange + pseudo_fake"] = (
            self.sync_shift + self.sync_exchange + self.pseudo_fake
        )
        chances["drop_video + drop_audio"] = self.drop_video + self.drop_audio
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise UserError(f"augmentation: {name} is {chance}; it must lie in 0 to 1")
        if not self.pseudo_fake_operations:
            raise UserError("augmentation: pseudo_fake_operations is empty; name at least one")
        for name in self.pseudo_fake_operations:
            if name not in NAMES:
                raise UserError(f"augmentation: no forgery {name!r}; {nearest(name, NAMES)}")


NO_AUGMENTATION = AugmentConfig()


def augment_row(row: ClipRow, config: AugmentConfig, rng: np.random.Generator) -> ClipRow:
    """Changes picture, sound and presence of a row; labels follow only where a modality is dropped.

    Masked frames stay zero, and so does the waveform where there is no sound.
    """
    if row["has_video"]:
        frames, mouths = augment_picture(row["frames"], row["mouth_frames"], config, rng)
        frames[~row["frame_mask"]] = 0
        mouths[~row["mouth_mask"]] = 0
        row = row | {"frames": frames, "mouth_frames": mouths}
    if row["has_audio"]:
        silent = ~np.repeat(row["waveform_mask"], len(row["waveform"]) // len(row["waveform_mask"]))
        waveform = augment_sound(row["waveform"], config, rng)
        waveform[silent] = 0
        row = row | {"waveform": waveform}
    return drop_modality(row, config, rng)


def augment_picture(
    frames: UInt8[np.ndarray, "t h w 3"],
    mouths: UInt8[np.ndarray, "k mh mw 3"],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "t h w 3"], UInt8[np.ndarray, "k mh mw 3"]]:
    """The same flip, colour, blur and recompression for faces and mouths; cutout for faces only."""
    changes: list[Callable[[Images], Images]] = []
    if rng.random() < config.flip:
        changes.append(flip)
    if rng.random() < config.colour:
        factors = rng.uniform(1 - config.colour_range, 1 + config.colour_range, 3).tolist()
        changes.append(lambda images: adjust_colour(images, *factors))
    if rng.random() < config.blur:
        share = rng.uniform(*config.blur_sigma)
        changes.append(lambda images: blur(images, share * images.shape[1]))
    if rng.random() < config.jpeg:
        low, high = config.jpeg_quality
        quality = int(rng.integers(low, high + 1))
        changes.append(lambda images: recompress(images, quality))
    for change in changes:
        frames = change(frames)
        mouths = change(mouths) if len(mouths) else mouths
    if rng.random() < config.cutout:
        height, width = rng.uniform(*config.cutout_side, 2)
        top, left = rng.uniform(0, (1 - height, 1 - width))
        frames = cut_out(frames, (top, left, top + height, left + width))
    return frames.copy(), mouths.copy()


def augment_sound(
    waveform: Float32[np.ndarray, " s"], config: AugmentConfig, rng: np.random.Generator
) -> Float32[np.ndarray, " s"]:
    """Band limit, noise and gain, in this order; clipped to [-1, 1]."""
    if rng.random() < config.band_limit:
        waveform = limit_band(waveform, rng.uniform(*config.band_limit_hz))
    if rng.random() < config.noise:
        waveform = add_noise(waveform, rng.uniform(*config.noise_snr_db), rng)
    if rng.random() < config.gain:
        waveform = waveform * np.float32(10 ** (rng.uniform(-config.gain_db, config.gain_db) / 20))
    return np.clip(waveform, -1, 1)


def drop_modality(row: ClipRow, config: AugmentConfig, rng: np.random.Generator) -> ClipRow:
    """Takes picture or sound from a row that has both; the labels of what is gone become -1."""
    chance = rng.random()
    if not (row["has_video"] and row["has_audio"]):
        return row
    if chance < config.drop_video:
        return without_video(row)
    if chance < config.drop_video + config.drop_audio:
        return without_audio(row)
    return row


def is_genuine(clip: ClipRecord | ClipSummary) -> bool:
    """Whether picture, sound and their match are all known to be genuine."""
    return (clip.label_video, clip.label_audio, clip.label_sync) == (REAL, REAL, IN_SYNC)


def exchange_sound(clip: ClipRecord, donor: ClipRecord) -> ClipRecord:
    """`clip` with the genuine sound of another genuine clip: nothing forged, but no match."""
    return dataclasses.replace(
        clip,
        audio=donor.audio,
        audio_offset_ms=donor.audio_offset_ms,
        label_sync=OUT_OF_SYNC,
    )


def flip(images: Images) -> Images:
    """Left and right exchanged."""
    return images[:, :, ::-1]


def adjust_colour(images: Images, brightness: float, contrast: float, saturation: float) -> Images:
    """Scales the distance to black, then to mid grey, then to the pixel's own grey."""
    levels = np.arange(256) * brightness
    table = np.clip(np.round((levels - 128) * contrast + 128), 0, 255).astype(np.uint8)
    # One tall picture: OpenCV then does the whole clip in one call.
    tall = cv2.LUT(np.ascontiguousarray(images).reshape(-1, images.shape[2], 3), table)
    grey = cv2.cvtColor(cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(tall, saturation, grey, 1 - saturation, 0).reshape(images.shape)


def blur(images: Images, sigma: float) -> Images:
    """Gaussian blur, sigma in pixels."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def recompress(images: Images, quality: int) -> Images:
    """Through JPEG with 4:2:0 chroma and back."""
    packed = [
        simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "420")
        for image in images
    ]
    return np.stack([simplejpeg.decode_jpeg(data, "RGB") for data in packed])


def cut_out(images: Images, box: tuple[float, float, float, float]) -> Images:
    """Greys a rectangle; `box` is top, left, bottom, right as shares of the sides."""
    height, width = images.shape[1:3]
    top, left, bottom, right = (
        round(share * side) for share, side in zip(box, (height, width) * 2, strict=True)
    )
    images = images.copy()
    images[:, top:bottom, left:right] = 128
    return images


def limit_band(waveform: Waveform, cutoff_hz: float) -> Waveform:
    """Removes everything above `cutoff_hz`, by a raised-cosine edge 500 Hz wide, without delay."""
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    edge = np.clip((cutoff_hz - frequencies) / 500 + 0.5, 0, 1)
    spectrum = np.fft.rfft(waveform) * (0.5 - 0.5 * np.cos(np.pi * edge))
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def add_noise(waveform: Waveform, snr_db: float, rng: np.random.Generator) -> Waveform:
    """Adds white noise `snr_db` below the waveform's mean power."""
    scale = np.sqrt(np.mean(np.square(waveform)) * 10 ** (-snr_db / 10))
    return waveform + scale.astype(np.float32) * rng.standard_normal(len(waveform), np.float32)
