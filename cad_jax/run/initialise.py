"""What the parameters are before the first step: another run's, published weights, or random.

Owns which source gives which parameter (run > converted weights > random) and refuses what does
not fit, by name. Knows nothing of the step or of resuming, which goes before all of it.
"""

import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax

from cad_jax.arrays import content_hash, listed, shape_faults
from cad_jax.models.lora import is_adapter
from cad_jax.parallel.rules import RuleError
from cad_jax.run.checkpoint import CheckpointError
from cad_jax.settings.experiment import TOWERS, Experiment
from cad_jax.types import Params
from cad_jax.weights.store import load_tower
from cad_jax.weights.towers import Tower

Targets = Mapping[str, jax.ShapeDtypeStruct]


@runtime_checkable
class Run(Protocol):
    """What is asked of another run."""

    @property
    def step(self) -> int: ...

    @property
    def params(self) -> Params: ...


def tower_parameters(tower: str, names: Iterable[str]) -> list[str]:
    """The parameters of one of `TOWERS` that published weights have: all but the adapters."""
    return [n for n in names if n.startswith(f"{tower}_tower/") and not is_adapter(n)]


def tower_config(config: Experiment, tower: str) -> Tower:
    """The settings of one of `TOWERS`."""
    model = config.model
    return model.align_video if tower == "video" else getattr(model, tower)


def initial_parameters(
    config: Experiment,
    targets: Targets,
    names: Sequence[str],
    *,
    of_run: Callable[[str, int | None], Run],
    fresh: Callable[[list[str]], Params],
) -> Params:
    """The initial values of the parameters `names`, on their devices.

    Args:
        config: where they come from, and the hashes that what is taken from there must have.
        targets: shape, dtype and sharding of every parameter of the model.
        names: those that are asked for.
        of_run: loads a step of the run in a work folder, by default its best.
        fresh: makes random values of the parameters it is given.

    Raises:
        UserError: weights or run are not there, of another model, or not those that are pinned;
            parameters are named that are missing, extra or of another shape.
    """
    params: Params = {}
    if config.init.run and names:
        params |= _from_run(config, targets, names, of_run)
    for tower in TOWERS:
        wanted = [name for name in tower_parameters(tower, names) if name not in params]
        if getattr(config.init, tower) and wanted:
            tower_params = _from_weights(config, tower, targets)
            params |= {name: tower_params[name] for name in wanted}
    return params | fresh([name for name in names if name not in params])


def run_that_gives(config: Experiment, of_run: Callable[[str, int | None], Run]) -> Run:
    """The run that `init.run` names, at the step that is pinned, else at its best."""
    pin = config.computed.run
    return of_run(config.init.run, int(pin.partition(":")[0]) if pin else None)


def pin_of(run: Run) -> str:
    """What pins a run that gives parameters: its step and their hash."""
    return f"{run.step}:{content_hash(run.params)}"


def _from_run(
    config: Experiment,
    targets: Targets,
    names: Sequence[str],
    of_run: Callable[[str, int | None], Run],
) -> Params:
    """What the run has of `names`; it must have every parameter but the excluded, and no other."""
    folder, pin = config.init.run, config.computed.run
    run = run_that_gives(config, of_run)
    saved = run.params
    if pin and pin != pin_of(run):
        raise CheckpointError(
            f"config.init.run={folder}: step {run.step} holds other parameters than when this run "
            "began: bring the old ones back"
        )
    free = _excluded(config.init.exclude, [*targets, *saved])
    shapes = ({name: tuple(leaf.shape) for name, leaf in tree.items()} for tree in (saved, targets))
    faults = [text for name, text in shape_faults(*shapes).items() if name not in free]
    if faults:
        raise CheckpointError(
            f"config.init.run={folder} is of another model: {listed(faults)}; "
            "name what may differ in --config.init.exclude"
        )
    return {
        name: jax.device_put(saved[name].astype(targets[name].dtype), targets[name].sharding)
        for name in names
        if name not in free
    }


def _excluded(patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    """The names that a pattern is found in; every pattern must be found in one."""
    found: set[str] = set()
    for pattern in patterns:
        matches = {name for name in names if re.search(pattern, name)}
        if not matches:
            raise RuleError(f"config.init.exclude: {pattern!r} fits no parameter; remove it")
        found |= matches
    return found


def _from_weights(config: Experiment, tower: str, targets: Targets) -> Params:
    """All of a tower: its weights are one, whatever part of it is trained."""
    prefix = f"{tower}_tower/"
    own = {name.removeprefix(prefix): targets[name] for name in tower_parameters(tower, targets)}
    folder, sha256 = getattr(config.init, tower), getattr(config.computed, tower)
    params = load_tower(pathlib.Path(folder), tower_config(config, tower), own, sha256=sha256)
    return {prefix + name: value for name, value in params.items()}
