"""An experiment's settings as text: each with its value, where that is from, and its meaning."""

import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import leaves, meanings

COMPUTED = "config.computed."


def describe(values: Mapping[str, Any], overridden: Collection[str], preset: str) -> Iterator[str]:
    """Every setting, in the order of its dataclass; what a run computes comes last.

    Args:
        values: the complete tree.
        overridden: dotted names, without `config.`, of what the command line set.
        preset: what the values are from that are neither default nor overridden.

    Yields:
        A line for each value, and lines for its meaning.
    """
    defaults, meaning = leaves(Experiment().to_tree()), meanings(Experiment)
    for name, value in leaves(values).items():
        if name.removeprefix("config.") in overridden:
            origin = "command line"
        elif name.startswith(COMPUTED):
            origin = "computed when a run starts" if value == defaults[name] else preset
        else:
            origin = "default" if value == defaults[name] else preset
        yield f"{name} = {value!r}  ({origin})"
        yield textwrap.fill(meaning[name], 96, initial_indent="    ", subsequent_indent="    ")
