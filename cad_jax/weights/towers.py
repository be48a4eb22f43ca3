"""The towers whose published weights we read.

A new kind is a module with a `TowerKind` (as `clip_tower`), its test, and its entry here; readers,
conversion and store find it by the entry.
"""

from cad_jax.models.functional import FunctionalModel
from cad_jax.settings.model import Dtype, LipsConfig, ViTConfig, WhisperConfig
from cad_jax.weights.clip_tower import CLIP
from cad_jax.weights.lips_tower import LIPS
from cad_jax.weights.tower_kind import TowerKind
from cad_jax.weights.whisper_tower import WHISPER

Tower = ViTConfig | WhisperConfig | LipsConfig

TOWER_KINDS = (CLIP, WHISPER, LIPS)
PRESETS: dict[str, Tower] = {
    name: tower for kind in TOWER_KINDS for name, tower in kind.presets.items()
}


def kind_of(tower: Tower) -> TowerKind:
    """The kind that a tower with these settings is of."""
    return next(kind for kind in TOWER_KINDS if type(tower) is kind.config)


def preset_name(tower: Tower) -> str | None:
    """Our name of this tower where it is a published one."""
    return next((name for name, preset in PRESETS.items() if preset == tower), None)


def published_name(tower: Tower) -> str:
    """What to look for to get this tower's weights."""
    name = preset_name(tower)
    return kind_of(tower).published[name] if name else "weights of this architecture"


def tower_model(config: Tower, dtype: Dtype = "float32") -> FunctionalModel:
    """The tower on its own, without adapters, multiplied in `dtype`; makes no array."""
    build = kind_of(config).build
    return FunctionalModel.create(lambda rngs: build(config, dtype, rngs))
