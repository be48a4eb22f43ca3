"""The registry: what is said of each kind of tower agrees with its settings and its module."""

import dataclasses

import numpy as np
import pytest

from cad_jax.settings.model import ViTConfig, WhisperConfig
from cad_jax.weights import convert as convert_module
from cad_jax.weights import store, towers
from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.layouts import Origin
from cad_jax.weights.store import load_tower, write_tower
from cad_jax.weights.towers import (
    PRESETS,
    TOWER_KINDS,
    kind_of,
    preset_name,
    published_name,
    tower_model,
)
from cad_jax.weights.whisper_tower import WHISPER

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", TOWER_KINDS, ids=lambda kind: kind.name)
def test_an_entry_is_complete(kind):
    assert kind.presets
    assert kind.presets.keys() == kind.published.keys()
    assert set(kind.free) <= {field.name for field in dataclasses.fields(kind.config)}
    assert all(kind_of(preset) is kind for preset in kind.presets.values())
    for preset in kind.presets.values():
        parameters = tower_model(preset).shapes.keys()
        assert kind.resize.keys() <= parameters
        for layout in kind.layouts:  # every parameter of ours comes from somewhere
            assert parameters <= layout.origins(preset.depth).keys()


def test_names_and_layouts_tell_the_kinds_apart():
    layouts = [layout.positions for kind in TOWER_KINDS for layout in kind.layouts]
    assert len(set(layouts)) == len(layouts)
    assert len({kind.name for kind in TOWER_KINDS}) == len(TOWER_KINDS)
    assert len(PRESETS) == sum(len(kind.presets) for kind in TOWER_KINDS)


def test_a_published_tower_is_known_by_its_settings():
    assert preset_name(ViTConfig()) == "clip_vit_b_16"
    assert published_name(ViTConfig()) == "openai/clip-vit-base-patch16"
    assert preset_name(ViTConfig(width=48)) is None
    assert published_name(ViTConfig(width=48)) == "weights of this architecture"


@dataclasses.dataclass(frozen=True)
class OtherConfig(WhisperConfig):
    """A tower that only this test knows."""


def test_another_kind_is_one_entry(golden, publish, converted, tmp_path, monkeypatch):
    def under_other_names(layout):
        names = {
            ours: Origin(tuple(f"other.{name}" for name in origin.names), origin.form)
            for ours, origin in layout.parameters.items()
        }
        return dataclasses.replace(layout, parameters=names, positions=f"other.{layout.positions}")

    kind = dataclasses.replace(
        WHISPER,
        name="other",
        config=OtherConfig,
        layouts=tuple(map(under_other_names, WHISPER.layouts)),
        presets={},
        published={},
    )
    for module in (towers, convert_module, store):
        monkeypatch.setattr(module, "TOWER_KINDS", (*TOWER_KINDS, kind))
    model = golden("whisper")
    renamed = {f"other.{name}": array for name, array in model.weights.items()}
    weights = convert(open_published(publish(renamed, model.config)))
    assert type(weights.config) is OtherConfig
    assert write_tower(weights, (), tmp_path / "other").kind == "other"
    params = load_tower(tmp_path / "other", weights.config, tower_model(weights.config).shapes)
    for name, array in converted("whisper").params.items():
        np.testing.assert_array_equal(params[name], array)
