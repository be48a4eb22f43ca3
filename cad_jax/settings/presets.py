"""How a config's argument is read, and how a preset's differences become the complete tree."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError
from data_pipelines.errors import nearest


def parse_argument(arg: str, choices: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Reads `name=choice,name=choice`; what is not named takes its first choice.

    Raises:
        ValueError: an unknown name or choice; names the nearest right one.
    """
    options = {name: known[0] for name, known in choices.items()}
    for item in filter(None, arg.split(",")):
        name, equals, choice = item.partition("=")
        if name not in choices:
            raise ValueError(f"config option {name!r}: {nearest(name, choices)}")
        if not equals or choice not in choices[name]:
            raise ValueError(f"config option {item!r}: {nearest(choice, choices[name])}")
        options[name] = choice
    return options


def find_config(name: str) -> pathlib.Path:
    """The file of this name here; else the one that comes with the package, or in its checkout."""
    file, package = pathlib.Path(name), pathlib.Path(__file__).parents[1]
    below = file.relative_to("configs") if file.is_relative_to("configs") else file.name
    known = (folder / "configs" / below for folder in (package, package.parent))
    return next((path for path in (file, *known) if path.is_file()), file)


def complete(*differences: Mapping[str, Any]) -> ConfigDict:
    """Every setting: the defaults, changed by each of the differences in turn.

    Args:
        differences: nested dictionaries of settings and their values.

    Raises:
        ConfigError: a difference names no setting; says which is nearest.
    """
    tree = Experiment().to_tree()
    for changes in differences:
        _change(tree, changes, "config")
    return ConfigDict(tree, convert_dict=True).lock()


def _change(tree: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    for key, value in changes.items():
        if key not in tree:
            raise ConfigError(f"{where}.{key} is no setting: {nearest(key, tree)}")
        if isinstance(tree[key], dict):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{where}.{key} holds settings of its own; it cannot be {value!r}"
                )
            _change(tree[key], value, f"{where}.{key}")
        else:
            tree[key] = value
