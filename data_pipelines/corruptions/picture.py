"""What befalls a picture besides video codecs: pure functions of frames, a value and a generator.

What is drawn is drawn once for a clip and is the same at every value, so severities are nested.
"""

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

Frames = UInt8[np.ndarray, "t h w 3"]

_SIDE = 224  # pixels, of the crops that published strengths of blur are for


def blur(frames: Frames, sigma: float) -> Frames:
    """Gaussian blur, sigma in pixels."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def blur_at_224(frames: Frames, sigma: float) -> Frames:
    """Gaussian blur, sigma in pixels of crops with a side of 224."""
    return blur(frames, sigma * frames.shape[1] / _SIDE)


def recompress(frames: Frames, quality: int) -> Frames:
    """Through JPEG with 4:2:0 chroma and back."""
    packed = [
        simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality, "RGB", "420")
        for frame in frames
    ]
    return np.stack([simplejpeg.decode_jpeg(data, "RGB") for data in packed])


def gaussian_noise(frames: Frames, variance: float, rng: np.random.Generator) -> Frames:
    """White noise, drawn for every frame; its variance where white is 1."""
    noise = rng.standard_normal(frames.shape, np.float32)
    return _to_uint8(frames + noise * np.float32(255 * variance**0.5))


def shrink(frames: Frames, factor: float) -> Frames:
    """To a `factor`-th of the side (area means) and back (bilinear)."""
    height, width = frames.shape[1:3]
    small = max(round(width / factor), 1), max(round(height / factor), 1)
    return np.stack([
        cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (width, height))
        for frame in frames
    ])  # fmt: skip


def contrast(frames: Frames, factor: float) -> Frames:
    """The distance to the clip's mean colour, times a factor."""
    mean = frames.mean(axis=(0, 1, 2), dtype=np.float64)
    return _to_uint8((frames - mean) * factor + mean)


def cut_out(frames: Frames, box: tuple[float, float, float, float]) -> Frames:
    """Greys a rectangle; `box` is top, left, bottom, right as shares of the sides."""
    height, width = frames.shape[1:3]
    top, left, bottom, right = (
        round(share * side) for share, side in zip(box, (height, width) * 2, strict=True)
    )
    frames = frames.copy()
    frames[:, top:bottom, left:right] = 128
    return frames


def occlude(frames: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Greys a rectangle of this share of the area, half to twice as wide as high, at one place."""
    shape = np.exp(rng.uniform(-np.log(2) / 2, np.log(2) / 2))
    height, width = np.minimum(share**0.5 * np.array([1 / shape, shape]), 1)
    top, left = rng.uniform(size=2) * (1 - height, 1 - width)
    return cut_out(frames, (top, left, top + height, left + width))


def freeze(frames: Frames, share: float, rng: np.random.Generator) -> Frames:
    """This share of the frames, never the first, is lost; what was shown before is shown on."""
    order = 1 + rng.permutation(len(frames) - 1)
    shown = np.arange(len(frames))
    shown[order[: round(share * len(order))]] = 0
    return frames[np.maximum.accumulate(shown)]


def _to_uint8(values: np.ndarray) -> Frames:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
