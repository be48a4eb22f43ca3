"""The camera: tone, resolution, blur, sensor noise. One law for every clip, genuine or forged."""

import dataclasses

import cv2
import numpy as np
import scipy.special
from jaxtyping import UInt8

Range = tuple[float, float]

_MID_GREY = 0.45  # contrast turns about it
# 256 quantiles of the normal distribution: drawn as bytes, noise costs a fifth.
_NORMAL = scipy.special.ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class CameraLaw:
    """From which ranges a clip's camera is drawn.

    Attributes:
        resolution: of the optics, relative to the frame's; above 0.95 nothing is lost.
        blur: Gaussian, pixels; below 0.3 none.
        noise: deviation of the sensor's noise, of full scale.
        jpeg_quality: of a recompression as stills.
    """

    resolution: Range
    blur: Range
    noise: Range
    jpeg_quality: tuple[int, int]


def film(
    frames: UInt8[np.ndarray, "t h w 3"], law: CameraLaw, rng: np.random.Generator
) -> UInt8[np.ndarray, "t h w 3"]:
    """The frames as a random camera sees them.

    `rng` must be one that no forgery draws from: else the noise has another law in forged clips.
    """
    gamma, saturation, contrast = (
        rng.uniform(0.85, 1.2),
        rng.uniform(0.75, 1.15),
        rng.uniform(0.85, 1.12),
    )
    resolution, blur = rng.uniform(*law.resolution), rng.uniform(*law.blur)
    noise = np.float32(rng.uniform(*law.noise) * 255)
    tone = _tone_curve(gamma, contrast)
    filmed = np.empty_like(frames)
    for index, frame in enumerate(frames):
        image = tone[frame]
        grey = image.mean(axis=2, keepdims=True)
        image = grey + (image - grey) * np.float32(saturation)
        image = _through_lens(image, resolution, blur)
        image += noise * _NORMAL[rng.integers(0, 256, image.shape, dtype=np.uint8)]
        filmed[index] = np.clip(image + 0.5, 0, 255)
    return filmed


def _tone_curve(gamma: float, contrast: float) -> np.ndarray:
    """[256] f32: what becomes of each 8-bit value, on the scale of 0 to 255."""
    value = np.linspace(0, 1, 256) ** gamma
    return ((value - _MID_GREY) * contrast + _MID_GREY).astype(np.float32) * 255


def _through_lens(image: np.ndarray, resolution: float, blur: float) -> np.ndarray:
    if resolution < 0.95:
        height, width = image.shape[:2]
        small = max(8, int(width * resolution)), max(8, int(height * resolution))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    return image
