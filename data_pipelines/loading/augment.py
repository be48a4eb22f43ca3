"""Augmentation: what may happen to a training clip besides being chosen.

Owns pure functions of (arrays, generator). Whatever is drawn is drawn once for a clip and applied
to all of its frames: a change from frame to frame would look like a forgery. Knows nothing of
sources or order. All of it is off by default.
"""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from data_pipelines.corruptions.picture import blur, cut_out, recompress
from data_pipelines.corruptions.sound import add_noise
from data_pipelines.loading.settings import AugmentConfig
from data_pipelines.loading.transforms import ClipRow, Cut
from data_pipelines.records.clip import SAMPLE_RATE

Images = UInt8[np.ndarray, "t h w 3"]
Waveform = Float32[np.ndarray, " s"]


def augment_row(row: ClipRow, config: AugmentConfig, rng: np.random.Generator) -> ClipRow:
    """Changes picture and sound of a row, but no label.

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
    return row


def shift_mouths(cut: Cut, share: float, rng: np.random.Generator) -> Cut:
    """Moves where the mouths are cropped, in all frames alike, by up to a share of their side.

    As lip readers are trained on random parts of a larger crop; nothing is drawn for 0.
    """
    if not share:
        return cut
    shift = cut.mouth_side * rng.uniform(-share, share, 2)
    return dataclasses.replace(cut, mouth_centres=cut.mouth_centres + shift)


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


def limit_band(waveform: Waveform, cutoff_hz: float) -> Waveform:
    """Removes everything above `cutoff_hz`, by a raised-cosine edge 500 Hz wide, without delay."""
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    edge = np.clip((cutoff_hz - frequencies) / 500 + 0.5, 0, 1)
    spectrum = np.fft.rfft(waveform) * (0.5 - 0.5 * np.cos(np.pi * edge))
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)
