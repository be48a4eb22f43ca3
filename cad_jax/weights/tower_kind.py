"""What reading, converting and storing have to know of a kind of tower, in one value.

Knows no particular tower: each has a module of its own (`clip_tower`, `whisper_tower`), and
`towers` lists them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax import nnx

from cad_jax.settings.model import Dtype
from cad_jax.weights.layouts import Layout
from cad_jax.weights.published import PublishedWeights


@dataclasses.dataclass(frozen=True)
class TowerKind:
    """One kind of tower.

    Attributes:
        name: in `weights.json` and in messages.
        title: what it is, for people.
        config: the dataclass of its settings.
        build: makes its module, without adapters, of settings, dtype and random keys.
        layouts: the forms in which it is published; the first that fits is taken.
        sizes: gives the settings that the arrays' shapes tell, all but the depth.
        presets: our name -> settings of a published tower.
        published: our name -> Hugging Face's name of the folder that it comes from.
        free: settings in which weights may differ from the tower that they are loaded into.
        resize: parameter -> what makes it of an array of another length, where a free setting
            changes that.
        position_fault: what is wrong with the published positions of a tower that computes its
            own; empty where nothing is.
    """

    name: str
    title: str
    config: type[Any]
    build: Callable[[Any, Dtype, nnx.Rngs], nnx.Module]
    layouts: tuple[Layout, ...]
    sizes: Callable[[PublishedWeights, Layout], dict[str, int]]
    presets: Mapping[str, Any]
    published: Mapping[str, str]
    free: tuple[str, ...] = ()
    resize: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = dataclasses.field(
        default_factory=dict
    )
    position_fault: Callable[[np.ndarray, Any], str] = lambda positions, config: ""
