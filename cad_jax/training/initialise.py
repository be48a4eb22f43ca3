"""What the parameters are before the first step: another run's, published weights, or random.

Owns which source gives which parameter (run > converted weights > random) and refuses what does
not fit, by name. Knows nothing of the step or of resuming, which goes before all of it.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import jax

from cad_jax.checkpoint import CheckpointError
from cad_jax.experiment import ExperimentConfig, InitConfig
from cad_jax.models.config import CADConfig
from cad_jax.models.functional import Params
from cad_jax.models.lora import is_adapter
from cad_jax.parallel.rules import RuleError
from cad_jax.shapes import listed, shape_faults
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import load_tower, verify_weights

Targets = Mapping[str, jax.ShapeDtypeStruct]
TOWERS = ("video", "audio")


def pin_weights(config: ExperimentConfig) -> ExperimentConfig:
    """The experiment with the content hashes of the weights it starts from.

    A checkpoint carries them, so that frozen towers can only come back as they were.

    Raises:
        WeightsError: no converted weights there, or others than an earlier hash says.
    """
    init = config.init
    for tower in TOWERS:
        folder, expected = getattr(init, tower), getattr(init, f"{tower}_sha256")
        if not folder:
            continue
        architecture = getattr(config.model, tower)
        found = verify_weights(pathlib.Path(folder), architecture)
        if expected not in ("", found):
            raise WeightsError(
                f"{folder} holds weights {found[:12]}, but config.init.{tower}_sha256 says "
                f"{expected[:12]}: bring the old ones back"
            )
        init = dataclasses.replace(init, **{f"{tower}_sha256": found})
    return dataclasses.replace(config, init=init)


def tower_parameters(tower: str, names: Iterable[str]) -> list[str]:
    """The parameters of `video` or `audio` that published weights have: all but the adapters."""
    return [n for n in names if n.startswith(f"{tower}_tower/") and not is_adapter(n)]


def initial_parameters(
    config: InitConfig,
    model: CADConfig,
    targets: Targets,
    names: Sequence[str],
    *,
    of_run: Callable[[pathlib.Path], Params],
    fresh: Callable[[list[str]], Params],
) -> Params:
    """The initial values of the parameters `names`, on their devices.

    Args:
        config: where they come from.
        model: gives the architecture of the towers.
        targets: shape, dtype and sharding of every parameter of the model.
        names: those that are asked for.
        of_run: gives all parameters of the run in a work folder.
        fresh: makes random values of the parameters it is given.

    Raises:
        UserError: weights or run are not there or of another model; parameters are named that are
            missing, extra or of another shape.
    """
    params: Params = {}
    if config.run and names:
        params |= _from_run(config, of_run(pathlib.Path(config.run)), targets, names)
    for tower in TOWERS:
        wanted = [name for name in tower_parameters(tower, names) if name not in params]
        if getattr(config, tower) and wanted:
            params |= _from_weights(config, model, tower, {name: targets[name] for name in wanted})
    return params | fresh([name for name in names if name not in params])


def _from_run(config: InitConfig, saved: Params, targets: Targets, names: Sequence[str]) -> Params:
    """What the run has of `names`; it must have every parameter but the excluded, and no other."""
    free = _excluded(config.exclude, [*targets, *saved])
    shapes = ({name: tuple(leaf.shape) for name, leaf in tree.items()} for tree in (saved, targets))
    faults = [text for name, text in shape_faults(*shapes).items() if name not in free]
    if faults:
        raise CheckpointError(
            f"config.init.run={config.run} is of another model: {listed(faults)}; "
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


def _from_weights(config: InitConfig, model: CADConfig, tower: str, targets: Targets) -> Params:
    prefix = f"{tower}_tower/"
    own = {name.removeprefix(prefix): target for name, target in targets.items()}
    folder, sha256 = getattr(config, tower), getattr(config, f"{tower}_sha256")
    params = load_tower(pathlib.Path(folder), getattr(model, tower), own, sha256=sha256)
    return {prefix + name: value for name, value in params.items()}
