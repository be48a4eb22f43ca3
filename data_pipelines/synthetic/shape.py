"""The form of a person's head: the mean head moved by macro targets and random sliders."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float32

from data_pipelines.synthetic.head import TEXTURE_WIDTH, load_head
from data_pipelines.synthetic.traits import ORIGINS, Traits

_EYES = slice(36, 48)  # landmarks
# A slider's two ends are two targets.
_OPPOSITES = {
    "decr": "incr",
    "down": "up",
    "in": "out",
    "backward": "forward",
    "concave": "convex",
    "compress": "uncompress",
}
_DEVIATIONS = {"neck": 0.22, "ear": 0.22, "mouth": 0.26}  # of sliders, by how their names begin
_DEVIATION = 0.36
_ASYMMETRY = 0.018  # deviation of left against right


@dataclasses.dataclass(frozen=True)
class _Sliders:
    """The asset's targets by use: pairs of a negative and a positive end, and whole forms."""

    two_way: tuple[tuple[str, str], ...]
    head_forms: tuple[str, ...]
    ear_forms: tuple[str, ...]


def draw_shape(rng: np.random.Generator, traits: Traits) -> Float32[np.ndarray, "v 3"]:
    """Vertices in centimetres, the eyes where the mean head has them."""
    head = load_head()
    vertices = head.vertices.copy()
    for name, weight in _macro_weights(rng, traits).items():
        vertices += head.macros[name] * np.float32(weight)
    sliders = _sliders()
    side = np.tanh(head.vertices[:, :1] / 1.2)  # -1 on the subject's right, 1 on the left
    for negative, positive in sliders.two_way:
        deviation = _DEVIATIONS.get(positive.split("-")[0], _DEVIATION)
        weight = np.clip(rng.normal(0, deviation), -1, 1)
        name = positive if weight >= 0 else negative
        amount = abs(weight) + rng.normal(0, _ASYMMETRY) * side
        vertices += head.sliders[name] * amount.astype(np.float32)
    for name in rng.choice(sliders.head_forms, 2, replace=False):
        vertices += head.sliders[str(name)] * np.float32(rng.uniform(0, 0.55))
    vertices += head.sliders[str(rng.choice(sliders.ear_forms))] * np.float32(rng.uniform(0, 0.5))
    eyes = head.landmarks[_EYES]
    return vertices - (vertices[eyes].mean(axis=0) - head.vertices[eyes].mean(axis=0))


def _macro_weights(rng: np.random.Generator, traits: Traits) -> dict[str, float]:
    male = rng.uniform(0, 0.3) if traits.female else rng.uniform(0.72, 1.0)
    old = traits.age * 0.85
    build = _draw_build(rng, traits.female)
    weights = {}
    for sex, sex_weight in (("female", 1 - male), ("male", male)):
        for age, age_weight in (("young", 1 - old), ("old", old)):
            share = sex_weight * age_weight
            for origin, weight in zip(ORIGINS, traits.origins, strict=True):
                weights[f"{origin}-{sex}-{age}"] = share * weight
            for form, weight in build.items():
                weights[f"universal-{sex}-{age}-{form}"] = share * weight
    return weights


def _draw_build(rng: np.random.Generator, female: bool) -> dict[str, float]:
    weight = float(np.clip(rng.normal(0, 0.42), -0.9, 0.95))
    muscle = rng.uniform(0, 0.15 if female else 0.5) * (1 - abs(weight))
    return {
        "averagemuscle-minweight": max(-weight, 0.0),
        "averagemuscle-maxweight": max(weight, 0.0),
        "maxmuscle-averageweight": muscle,
        "averagemuscle-averageweight": 1 - abs(weight) - muscle,
    }


@functools.cache
def _sliders() -> _Sliders:
    names = load_head().sliders.names
    two_way = []
    for name in names:
        stem, _, end = name.rpartition("-")
        if end in _OPPOSITES and f"{stem}-{_OPPOSITES[end]}" in names:
            two_way.append((name, f"{stem}-{_OPPOSITES[end]}"))
    paired = {name for pair in two_way for name in pair}
    forms = [name for name in names if name not in paired]
    return _Sliders(
        tuple(two_way),
        tuple(name for name in forms if name.startswith("head-")),
        tuple(name for name in forms if name.startswith("ear-")),
    )


@functools.cache
def ear_vertices() -> Bool[np.ndarray, " v"]:
    """True on the ears: where growing ears moves the skin."""
    head = load_head()
    moved = np.linalg.norm(head.sliders["ear-scale-incr"], axis=1)
    behind_the_face = np.abs(head.uv[:, 0] - TEXTURE_WIDTH / 2) > ear_column() + 1
    return head.is_skin & (moved > 0.05 * moved.max()) & behind_the_face


@functools.cache
def ear_column() -> float:
    """Half the face's width in texture pixels, up to the front of the ear."""
    landmark_uv = load_head().landmark_uv
    return float(landmark_uv[16, 0] - landmark_uv[27, 0])
