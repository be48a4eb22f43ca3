"""Structuring: what is wrong is named with its place and the nearest right name."""

import dataclasses
from typing import Literal

import pytest

from cad_jax.settings.structure import ConfigError, differences, structure, unstructure


@dataclasses.dataclass(frozen=True)
class Tower:
    width: int
    rate: float = 0.1
    stem: Literal["patch", "conv"] = "patch"

    def __post_init__(self) -> None:
        if self.width % 2:
            raise ValueError(f"width must be even, not {self.width}")


@dataclasses.dataclass(frozen=True)
class Model:
    tower: Tower
    second: Tower | None = None
    rules: tuple[tuple[str, float], ...] = ()
    rates: dict[str, float] = dataclasses.field(default_factory=dict)


def test_round_trip():
    values = {
        "tower": {"width": 4, "rate": 1},
        "rules": [["kernel", 2.0], [".*", 1]],
        "rates": {"a": 1, "b": 0.5},
    }
    model = structure(Model, values)
    rules, rates = (("kernel", 2.0), (".*", 1.0)), {"a": 1.0, "b": 0.5}
    assert model == Model(Tower(4, 1.0), None, rules, rates)
    assert isinstance(model.tower.rate, float)
    assert structure(Model, unstructure(model)) == model


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"towr": {}}, "config.towr is no setting: did you mean 'tower'?"),
        ({"tower": {"widht": 4}}, "config.tower.widht is no setting: did you mean 'width'?"),
        ({"tower": {}}, "config.tower.width is missing"),
        ({"tower": {"width": "4"}}, "config.tower.width must be int, not '4'"),
        ({"tower": {"width": True}}, "config.tower.width must be int, not True"),
        ({"tower": {"width": 3}}, "config.tower: width must be even, not 3"),
        ({"tower": {"width": 4, "stem": "cnv"}}, "did you mean 'conv'?"),
        ({"tower": {"width": 4}, "rules": [["a"]]}, "config.rules[0] must have 2 entries, not 1"),
        ({"tower": {"width": 4}, "rules": "ab"}, "config.rules must be a list, not 'ab'"),
        ({"tower": {"width": 4}, "rates": [1]}, "config.rates must be an object, not [1]"),
        ({"tower": {"width": 4}, "rates": {"a": "1"}}, "config.rates.a must be float, not '1'"),
    ],
)
def test_faults_are_named(values, message):
    with pytest.raises(ConfigError) as caught:
        structure(Model, values)
    assert message in str(caught.value)


def test_differences_name_the_settings():
    old = {"tower": {"width": 4}, "seed": 0}
    assert differences(old, {"tower": {"width": 8}, "seed": 0}) == {"config.tower.width": (4, 8)}
    assert differences(old, {"tower": {"width": 4}, "seed": 0, "new": 1}) == {
        "config.new": (None, 1)
    }
