"""The face's paint: skin, lips, wrinkles, moles, freckles, brows, lashes and beard on the texture.

Owns what is painted where, in texture pixels around the head's 68 landmarks. The texture's fourth
channel is gloss; hair is painted over it later (see `hair`).
"""

import functools

import cv2
import numpy as np

from data_pipelines.synthetic import texture as paint
from data_pipelines.synthetic.head import TEXTURE_HEIGHT, TEXTURE_WIDTH, load_head
from data_pipelines.synthetic.texture import Mask, Texture, smooth_noise
from data_pipelines.synthetic.traits import Traits

_LIP_RINGS = 6  # mesh rings from the line between the lips to the border of the red
_EYES = (slice(36, 42), slice(42, 48))  # landmarks
_WRINKLE = (0.45, 0.36, 0.36)


def paint_skin(rng: np.random.Generator, traits: Traits) -> Texture:
    """A face without hair on its head; gloss is left at 0."""
    texture = _bare_skin(rng, traits)
    _paint_blush(rng, texture)
    _paint_eye_shadow(rng, texture, traits)
    _paint_lips(rng, texture, traits)
    _paint_wrinkles(rng, texture, traits)
    _paint_spots(rng, texture, traits)
    _paint_brows(rng, texture, traits)
    _paint_lashes(texture, traits)
    if not traits.female:
        _paint_beard(rng, texture, traits)
    return texture


@functools.cache
def lip_mask() -> Mask:
    """1 on the red of the lips."""
    head = load_head()
    mask = np.zeros((TEXTURE_HEIGHT, TEXTURE_WIDTH), np.uint8)
    corners = head.triangles
    on_lips = (head.lip_ring[corners] <= _LIP_RINGS).all(axis=1) & head.is_skin[corners].all(axis=1)
    for triangle in corners[on_lips]:
        cv2.fillConvexPoly(mask, paint.subpixel(head.uv[triangle]), 255, cv2.LINE_AA, 4)
    grown = cv2.dilate(mask, np.ones((2, 2), np.uint8)).astype(np.float32) / 255
    return cv2.GaussianBlur(grown, (0, 0), 1.0)


def _bare_skin(rng: np.random.Generator, traits: Traits) -> Texture:
    texture = np.zeros((TEXTURE_HEIGHT, TEXTURE_WIDTH, 4), np.float32)
    blotches = smooth_noise(
        rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [60, 20, 6, 2.2], [0.035, 0.03, 0.03, 0.04]
    )
    # Blood shows in green and blue more than in red.
    variation = 1 + blotches[..., None] * np.array([0.7, 1.0, 1.1], np.float32)
    texture[..., :3] = traits.skin.astype(np.float32) * variation
    return texture


def _paint_blush(rng: np.random.Generator, texture: Texture) -> None:
    points = load_head().landmark_uv
    strength = rng.uniform(0.3, 1.0)
    for cheek in ([1, 31, 48], [15, 35, 54]):
        centre = points[cheek].mean(axis=0)
        paint.multiply(texture, paint.spot(centre, 26, 18), (1.05, 0.78, 0.78), 0.55 * strength)
    paint.multiply(texture, paint.spot(points[33], 16, 12), (1.05, 0.75, 0.75), 0.5 * strength)


def _paint_eye_shadow(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    points = load_head().landmark_uv
    strongest = 0.9 if traits.female else 0.5
    for eye in _EYES:
        centre = points[eye].mean(axis=0)
        below, above = paint.spot(centre + [0, 8], 13, 7), paint.spot(centre - [0, 7], 15, 5)
        paint.multiply(texture, below, (0.72, 0.6, 0.62), rng.uniform(0.15, 0.65))
        paint.multiply(texture, above, (0.8, 0.68, 0.65), rng.uniform(0.2, strongest))


def _paint_lips(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    colour = (0.88, 0.55, 0.55)
    if traits.female:  # make-up
        colour = (rng.uniform(0.78, 0.96), rng.uniform(0.28, 0.55), rng.uniform(0.33, 0.58))
    mask = np.clip(lip_mask() * 1.1, 0, 1)
    paint.multiply(texture, mask, colour, rng.uniform(0.55, 1.0))


def _paint_wrinkles(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    points, age = load_head().landmark_uv, traits.age

    def wrinkle(line: list, strength: float, width: int, blur: float) -> None:
        paint.multiply(texture, paint.line(np.array(line), width, blur), _WRINKLE, strength)

    for side, nostril, corner in ((-1, points[31], points[48]), (1, points[35], points[54])):
        fold = [
            nostril + [side * 3, -3],
            nostril + [side * 7, 4],
            (nostril + corner) / 2 + [side * 9, 0],
            corner + [side * 6, 0],
        ]
        wrinkle(fold, 0.12 + 0.6 * age, 2, 2.6)
    if age < 0.35:
        return
    brow_height = points[19:25, 1].mean()
    for row in range(rng.integers(2, 5)):
        y = brow_height - 12 - row * 7 + rng.normal(0, 1)
        left, middle, right = points[[18, 27, 25], 0]
        wrinkle([[left, y + 2], [middle, y - 1 + rng.normal()], [right, y + 2]], age * 0.6, 1, 1.3)
    for corner, side in ((points[36], -1), (points[45], 1)):
        for foot in (-1, 0, 1):
            crow = [corner + [side * 3, foot * 1.5], corner + [side * 10, foot * 4 + 1]]
            wrinkle(crow, age * 0.5, 1, 0.9)


def _paint_spots(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    """Moles and freckles."""
    points = load_head().landmark_uv
    for _ in range(rng.integers(0, 7)):
        size = rng.uniform(0.8, 1.5)
        place = (points[rng.integers(1, 16)] + points[33]) / 2 + rng.normal(0, 20, 2)
        paint.multiply(texture, paint.spot(place, size, size), (0.35, 0.25, 0.22), 0.9)
    if rng.random() < 0.25 and traits.darkness < 2.2:
        grains = rng.random((TEXTURE_HEIGHT, TEXTURE_WIDTH), dtype=np.float32) < 0.012
        freckles = cv2.GaussianBlur(grains.astype(np.float32), (0, 0), 1) * 6
        over_nose = paint.spot(points[33] - [0, 6], 55, 22)
        paint.multiply(texture, freckles * over_nose, (0.7, 0.55, 0.45), 0.8)


def _paint_brows(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    points = load_head().landmark_uv
    thickness = rng.uniform(1.8, 3.8) * (0.75 if traits.female else 1.15)
    lift = rng.normal(0, 1.2)
    mask = np.zeros(texture.shape[:2], np.float32)
    for brow, inner_first in ((slice(17, 22), False), (slice(22, 27), True)):
        spine = _smooth_curve(points[brow] + [0, lift], 15)
        profile = np.interp(
            np.linspace(0, 1, 15), [0, 0.3, 0.6, 0.9, 1], [0.35, 0.85, 1.1, 1.1, 0.75]
        )
        half = np.zeros((15, 2))
        half[:, 1] = (profile[::-1] if inner_first else profile) * thickness
        outline = np.concatenate([spine - half, (spine + half)[::-1]])
        mask = np.maximum(mask, paint.polygon(outline, 1.3))
    hairs = 1.05 + smooth_noise(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [1.5, 4], [0.3, 0.2])
    colour = traits.hair * 0.8 + traits.skin * 0.06
    paint.mix(texture, np.clip(mask * hairs, 0, 1), colour, rng.uniform(0.6, 0.95))


def _smooth_curve(points: np.ndarray, count: int) -> np.ndarray:
    columns = np.linspace(points[0, 0], points[-1, 0], count)
    parabola = np.polyfit(points[:, 0], points[:, 1], 2)
    return np.stack([columns, np.polyval(parabola, columns)], axis=1)


def _paint_lashes(texture: Texture, traits: Traits) -> None:
    """The dark rims of the lids; standing lashes are drawn by the renderer."""
    points = load_head().landmark_uv
    for eye in _EYES:
        corners = points[eye]
        upper, lower = corners[:4], corners[[3, 4, 5, 0]]
        paint.multiply(texture, paint.line(upper, 2 if traits.female else 1, 0.6), _WRINKLE, 1.0)
        paint.multiply(texture, paint.line(lower, 1, 0.6), _WRINKLE, 0.45)


def _paint_beard(rng: np.random.Generator, texture: Texture, traits: Traits) -> None:
    """Nothing, stubble, a beard, or a goatee."""
    style = rng.choice(["none", "stubble", "full", "goatee"], p=[0.35, 0.35, 0.15, 0.15])
    if style == "none":
        return
    points = load_head().landmark_uv
    mask = paint.polygon(_beard_outline(points), 5.0)
    if style == "goatee":
        chin = (points[57] + points[8]) / 2
        mask = mask * np.clip(paint.spot(chin, 30, 40) * 1.6, 0, 1)
    mask = mask * (1 - np.clip(lip_mask() * 1.6, 0, 1))
    hairs = 1 + smooth_noise(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [1.6, 5], [0.22, 0.12])
    density = rng.uniform(0.15, 0.45) if style == "stubble" else rng.uniform(0.6, 0.92)
    paint.mix(texture, np.clip(mask * hairs, 0, 1), traits.hair * 0.9 + traits.skin * 0.12, density)


def _beard_outline(points: np.ndarray) -> np.ndarray:
    """Along the jaw from ear to ear, and back under nose and cheeks."""
    drop = np.array([
        [0, 0], [-4, 6], [-4, 9], [-5, 11], [0, 9], [0, 7], [0, 6],
        [0, 7], [0, 9], [4, 11], [4, 9], [4, 6], [0, 0],
    ])  # fmt: skip
    upper = [
        points[14] - [10, 0],
        points[54] + [12, -2],
        points[35] + [2, 10],
        points[33] + [0, 7],
        points[31] + [-2, 10],
        points[48] + [-12, -2],
        points[2] + [10, 0],
    ]
    return np.concatenate([points[2:15] + drop, upper])
