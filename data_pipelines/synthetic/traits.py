"""What is said of a person before any detail is drawn: sex, age, origin, colours.

Owns the joint distribution of these; `shape`, `skin`, `hair` and `wardrobe` work from them.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

ORIGINS = ("african", "asian", "caucasian")

# Linear RGB albedo.
_SKIN_TONES = np.array([
    [0.82, 0.62, 0.53], [0.74, 0.52, 0.42], [0.66, 0.44, 0.33], [0.52, 0.32, 0.22],
    [0.36, 0.20, 0.13], [0.22, 0.12, 0.08], [0.14, 0.075, 0.05],
])  # fmt: skip
_HAIR_COLOURS = {
    "black": (0.02, 0.015, 0.012),
    "dark brown": (0.06, 0.035, 0.02),
    "brown": (0.13, 0.07, 0.035),
    "dark blond": (0.30, 0.19, 0.09),
    "blond": (0.48, 0.36, 0.20),
    "grey": (0.35, 0.33, 0.32),
    "red": (0.22, 0.06, 0.03),
}
_HAIR_OF_FAIR = (0.12, 0.22, 0.24, 0.18, 0.12, 0.07, 0.05)
_HAIR_OF_OTHERS = (0.62, 0.28, 0.06, 0.01, 0.0, 0.03, 0.0)
_IRISES = np.array([
    [0.12, 0.06, 0.03], [0.2, 0.12, 0.05], [0.12, 0.22, 0.34], [0.16, 0.24, 0.14],
    [0.085, 0.05, 0.03],
])  # fmt: skip
_IRIS_OF_FAIR = (0.22, 0.18, 0.26, 0.16, 0.18)
_IRIS_OF_OTHERS = (0.4, 0.1, 0.0, 0.0, 0.5)


@dataclasses.dataclass(frozen=True)
class Traits:
    """A person in a few numbers.

    Attributes:
        female: sex.
        age: 0 a young adult, 1 old.
        origins: [3] shares of ORIGINS, sum 1.
        darkness: of the skin, 0 lightest to 6.
        skin, hair, iris: linear RGB albedo.
    """

    female: bool
    age: float
    origins: Float[np.ndarray, " 3"]
    darkness: float
    skin: Float[np.ndarray, " 3"]
    hair: Float[np.ndarray, " 3"]
    iris: Float[np.ndarray, " 3"]


def draw_traits(rng: np.random.Generator) -> Traits:
    """A random person."""
    female = bool(rng.random() < 0.5)
    age = float(rng.random() ** 1.3)
    origins = rng.dirichlet([0.45, 0.45, 0.55])
    darkness = float(np.clip(origins @ [5.0, 1.5, 0.8] + rng.normal(0, 0.6), 0, 5.6))
    fair = bool(origins[2] > 0.55 and darkness < 2.5)
    return Traits(
        female=female,
        age=age,
        origins=origins,
        darkness=darkness,
        skin=_tone(darkness) * np.exp(rng.normal(0, 0.05, 3)),
        hair=_hair_colour(rng, fair, age),
        iris=_IRISES[rng.choice(len(_IRISES), p=_IRIS_OF_FAIR if fair else _IRIS_OF_OTHERS)],
    )


def _tone(darkness: float) -> np.ndarray:
    steps = np.arange(len(_SKIN_TONES))
    return np.array([np.interp(darkness, steps, channel) for channel in _SKIN_TONES.T])


def _hair_colour(rng: np.random.Generator, fair: bool, age: float) -> np.ndarray:
    colours = np.array(list(_HAIR_COLOURS.values()))
    colour = colours[rng.choice(len(colours), p=_HAIR_OF_FAIR if fair else _HAIR_OF_OTHERS)]
    if age > 0.7 and rng.random() < 0.6:
        colour = np.array(_HAIR_COLOURS["grey"]) * rng.uniform(0.7, 1.8)
    return colour * np.exp(rng.normal(0, 0.2))
