"""The experiment of a run: `--config=runs/tiny/config.json` is `--config=configs/saved.py:FILE`."""

import json
import pathlib
from typing import Any

from ml_collections import ConfigDict

from cad_jax.settings.presets import complete
from cad_jax.settings.structure import ConfigError


def get_config(file: str) -> ConfigDict:
    """Every setting of a run, its pins too: what is made from it again must be made of the same.

    Raises:
        ConfigError: the file is no run's configuration.
    """
    try:
        values = json.loads(pathlib.Path(file).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} is no run's config.json: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file} is no run's config.json: it holds no JSON object")
    return complete(_tuples(values))


def _tuples(value: Any) -> Any:
    """JSON has lists only; settings are tuples."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
