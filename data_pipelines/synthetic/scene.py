"""Where a clip is shot: light, framing and background."""

import cv2
import numpy as np
from jaxtyping import Float32

from data_pipelines.synthetic.renderer import Lighting, View
from data_pipelines.synthetic.texture import smooth_noise

BACKGROUND_MARGIN = 20  # pixels on each side, for the camera to sway in


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """A main light before the face, a fill light from in front, and tinted ambient light."""
    directions = np.array([
        [rng.normal(0, 0.7), rng.uniform(-0.05, 0.9), 1.0],
        [rng.normal(0, 1.2), rng.normal(0.1, 0.3), 0.6],
    ])  # fmt: skip
    white_balance = np.exp(rng.normal(0, 0.07, 3))
    white_balance /= white_balance.mean()
    main = rng.uniform(0.35, 1.0) * rng.uniform(0.75, 1.2) * white_balance
    fill = rng.uniform(0.05, 0.4) * np.exp(rng.normal(0, 0.12, 3))
    constant = rng.uniform(0.22, 0.55) * white_balance * np.exp(rng.normal(0, 0.04, 3))
    from_above, from_left = np.full(3, rng.normal(0.08, 0.05)), np.full(3, rng.normal(0, 0.06))
    return Lighting(
        directions=_unit_rows(directions).astype(np.float32),
        colours=np.stack([main, fill]).astype(np.float32),
        ambient=np.stack([constant, from_above, from_left]).astype(np.float32),
        shadow=float(rng.uniform(0.3, 0.95)),
    )


def draw_view(rng: np.random.Generator) -> View:
    """How large the face is in the frame, and from how far it is seen."""
    return View(scale=float(rng.uniform(0.85, 1.1)), distance=float(rng.uniform(45, 110)))


def draw_background(rng: np.random.Generator, size: int) -> Float32[np.ndarray, "h h 3"]:
    """A blurred room in linear RGB, BACKGROUND_MARGIN larger than `size` on every side.

    Furniture, or a wall with a shade from one side to the other, or stripes such as a curtain's.
    """
    wide = size + 2 * BACKGROUND_MARGIN
    style = rng.choice(["furniture", "wall", "stripes"], p=[0.6, 0.25, 0.15])
    room = np.ones((wide, wide, 3), np.float32) * _colour(rng, 0.03, 0.55)
    if style == "furniture":
        for _ in range(rng.integers(2, 9)):
            x, y = rng.integers(0, wide, 2)
            w, h = rng.integers(10, wide // 2, 2)
            corners = (int(x), int(y)), (int(x + w), int(y + h))
            cv2.rectangle(room, *corners, _colour(rng, 0.02, 0.7).tolist(), -1)
    elif style == "wall":
        dark, bright = rng.uniform(0.5, 1.5, 2)
        shade = np.linspace(dark, bright, wide, dtype=np.float32)
        room *= shade[:, None, None] if rng.random() < 0.5 else shade[None, :, None]
    else:
        period = rng.uniform(8, wide / 3)
        wave = np.sin(np.arange(wide, dtype=np.float32) * np.float32(2 * np.pi / period))
        room *= (1 + np.float32(rng.uniform(0.1, 0.5)) * wave)[None, :, None]
    room *= 1 + smooth_noise(rng, wide, wide, [60, 12], [0.15, 0.06])[..., None]
    return np.clip(cv2.GaussianBlur(room, (0, 0), float(rng.uniform(0.8, 9))), 0, 1)


def _colour(rng: np.random.Generator, darkest: float, brightest: float) -> np.ndarray:
    colour = rng.uniform(darkest, brightest) * np.exp(rng.normal(0, 0.25, 3))
    return colour.astype(np.float32)


def _unit_rows(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
