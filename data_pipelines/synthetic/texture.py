"""Painting on the skin texture: smooth noise, polygons, spots and lines, masked multiply and mix.

Owns brushes only; what is painted where is decided by `skin` and `hair`.
Coordinates are (column, row) in pixels of the cylindrical texture; colours are linear RGB.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32

from data_pipelines.synthetic.head import TEXTURE_HEIGHT, TEXTURE_WIDTH

Mask = Float32[np.ndarray, f"{TEXTURE_HEIGHT} {TEXTURE_WIDTH}"]
Texture = Float32[np.ndarray, f"{TEXTURE_HEIGHT} {TEXTURE_WIDTH} 4"]
Number = float | int
Colour = Float[np.ndarray, " 3"] | Sequence[Number]

_SUBPIXEL_BITS = 4
_MARGIN = 0.004  # masks below this are not painted


def smooth_noise(
    rng: np.random.Generator,
    height: int,
    width: int,
    scales: Sequence[Number],
    amplitudes: Sequence[Number],
) -> Float32[np.ndarray, "height width"]:
    """Sum of smooth random fields with features of `scales` pixels and deviations `amplitudes`."""
    total = np.zeros((height, width), np.float32)
    for scale, amplitude in zip(scales, amplitudes, strict=True):
        coarse = (max(2, int(height / scale)), max(2, int(width / scale)))
        field = rng.standard_normal(coarse, dtype=np.float32)
        total += amplitude * cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def polygon(points: Float[np.ndarray, "p 2"], blur: Number = 0) -> Mask:
    """1 inside the polygon, its border softened by a Gaussian of `blur` pixels."""
    mask = np.zeros((TEXTURE_HEIGHT, TEXTURE_WIDTH), np.uint8)
    cv2.fillPoly(mask, [subpixel(points)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return _soft(mask, blur)


def spot(centre: Float[np.ndarray, " 2"], sigma_x: Number, sigma_y: Number) -> Mask:
    """A Gaussian spot of height 1."""
    mask = np.zeros((TEXTURE_HEIGHT, TEXTURE_WIDTH), np.float32)
    reach = np.array([sigma_x, sigma_y]) * 3.2
    low = np.maximum(centre - reach, 0).astype(int)
    high = np.minimum(centre + reach + 2, [TEXTURE_WIDTH, TEXTURE_HEIGHT]).astype(int)
    columns = np.arange(low[0], high[0], dtype=np.float32)
    rows = np.arange(low[1], high[1], dtype=np.float32)
    mask[low[1] : max(high[1], low[1]), low[0] : max(high[0], low[0])] = (
        np.exp(-0.5 * ((rows - centre[1]) / sigma_y) ** 2)[:, None]
        * np.exp(-0.5 * ((columns - centre[0]) / sigma_x) ** 2)[None]
    )
    return mask


def line(points: Float[np.ndarray, "p 2"], width: int, blur: Number) -> Mask:
    """A polyline `width` pixels wide."""
    mask = np.zeros((TEXTURE_HEIGHT, TEXTURE_WIDTH), np.uint8)
    cv2.polylines(mask, [subpixel(points)], False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    return _soft(mask, blur)


def multiply(texture: Texture, mask: Mask, colour: Colour, strength: Number = 1) -> None:
    """Tints the texture in place: by `colour` where mask * strength is 1, not at all at 0."""
    region = _painted_region(mask)
    weight = (mask[region] * strength)[..., None]
    texture[region][..., :3] *= 1 - weight * (1 - np.asarray(colour, np.float32))


def mix(texture: Texture, mask: Mask, colour: Colour, strength: Number = 1) -> None:
    """Covers the texture's colour in place: with `colour` where mask * strength is 1."""
    region = _painted_region(mask)
    weight = (mask[region] * strength)[..., None]
    painted = texture[region][..., :3]
    painted += weight * (np.asarray(colour, np.float32) - painted)


def subpixel(points: Float[np.ndarray, "p 2"] | Sequence[np.ndarray]) -> np.ndarray:
    """Points as OpenCV's drawing functions take them with `shift=4`."""
    return np.round(np.asarray(points) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _soft(mask: np.ndarray, blur: float) -> Mask:
    soft = mask.astype(np.float32) / 255
    return cv2.GaussianBlur(soft, (0, 0), blur) if blur else soft


def _painted_region(mask: Mask) -> tuple[slice, slice]:
    rows = np.flatnonzero(mask.max(axis=1) > _MARGIN)
    columns = np.flatnonzero(mask.max(axis=0) > _MARGIN)
    if not len(rows) or not len(columns):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
