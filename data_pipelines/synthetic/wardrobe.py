"""Clothes and glasses: their form and colours."""

import dataclasses

import numpy as np
from jaxtyping import Float32

# Indices of a neckline's numbers; an array because the shading kernel reads it.
FRONT_HEIGHT, BACK_RISE, V_DEPTH, V_HALF_WIDTH, STRIPE_PERIOD, STRIPES_LEVEL, HEM = range(7)


@dataclasses.dataclass(frozen=True)
class Clothes:
    """A shirt, painted on the bust below a neckline.

    Attributes:
        neckline: [7] centimetres, see FRONT_HEIGHT ... HEM; STRIPES_LEVEL is a flag.
        colours: linear RGB of cloth, stripes and hem.
        thickness: centimetres by which the cloth stands off the skin.
    """

    neckline: Float32[np.ndarray, " 7"]
    colours: Float32[np.ndarray, "3 3"]
    thickness: float


@dataclasses.dataclass(frozen=True)
class Glasses:
    """Spectacle frames, in units of the eye's width.

    Attributes:
        colour: linear RGB.
        rim: width of the line in pixels of a 168-pixel picture.
        width, height: of a lens.
        squareness: exponent of the lens's outline, 1 for an ellipse, less for a rectangle.
    """

    colour: tuple[float, float, float]
    rim: float
    width: float
    height: float
    squareness: float


def draw_clothes(rng: np.random.Generator) -> Clothes:
    """A random shirt."""
    style = str(rng.choice(["crew", "v", "high", "wide"], p=[0.4, 0.25, 0.15, 0.2]))
    front, rise = {
        "crew": ((-14.0, -12.0), (3.0, 4.5)),
        "v": ((-13.0, -12.0), (3.0, 4.0)),
        "high": ((-11.8, -10.6), (1.2, 2.2)),
        "wide": ((-15.5, -14.0), (3.5, 5.0)),
    }[style]
    neckline = np.zeros(7, np.float32)
    neckline[FRONT_HEIGHT], neckline[BACK_RISE] = rng.uniform(*front), rng.uniform(*rise)
    neckline[V_DEPTH] = rng.uniform(2, 6) if style == "v" else 0
    neckline[V_HALF_WIDTH] = rng.uniform(4, 6) if style == "v" else 1
    neckline[STRIPE_PERIOD] = rng.uniform(1.2, 4) if rng.random() < 0.22 else 0
    neckline[STRIPES_LEVEL] = rng.random() < 0.7
    neckline[HEM] = rng.uniform(0.4, 1.4) if rng.random() < 0.6 else 0
    cloth = rng.uniform(0.02, 0.55) * np.exp(rng.normal(0, 0.45, 3))
    stripes = (
        cloth * rng.uniform(0.3, 0.8) if rng.random() < 0.5 else np.full(3, rng.uniform(0.05, 0.7))
    )
    colours = np.stack([cloth, stripes, cloth * rng.uniform(0.6, 1.2)])
    return Clothes(
        neckline, np.clip(colours, 0.01, 0.8).astype(np.float32), float(rng.uniform(0.25, 0.6))
    )


def draw_glasses(rng: np.random.Generator) -> Glasses | None:
    """Random glasses for about one person in five."""
    if rng.random() > 0.22:
        return None
    grey = rng.uniform(0, 0.12)
    return Glasses(
        colour=(grey, grey * rng.uniform(0.5, 1), grey * rng.uniform(0.4, 1)),
        rim=rng.uniform(0.8, 2.6),
        width=rng.uniform(1.5, 1.95),
        height=rng.uniform(1.15, 1.75),
        squareness=float(rng.choice([1.0, 0.75, 0.5])),
    )
