"""What a result depends on, by content: data, weights, another run's parameters, the program.

Owns what is pinned, and the refusal of what has changed. A pin is made when a run starts, travels
with its checkpoints and its `config.json`, and must be found again by whoever goes on from them.
"""

import dataclasses
import json
import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from cad_jax.run.code import code_hash
from cad_jax.run.initialise import pin_of, run_that_gives, tower_config
from cad_jax.run.placement import load_run
from cad_jax.settings.experiment import PER_HOST, TOWERS, Computed, Experiment, Priors
from cad_jax.settings.structure import ConfigError, differences, leaves
from cad_jax.weights.store import verify_weights

log = logging.getLogger(__name__)

# A run may be resumed with other values of these: they do not change what is computed, or by no
# more than the order of sums.
RESUMABLE = (
    "config.data.path",
    "config.data.workers",
    "config.data.accept_changed",
    "config.data.test_splits",
    *(f"config.init.{tower}" for tower in TOWERS),
    "config.init.run",
    "config.loss.info_nce",
    "config.mesh",
    "config.evaluation",
    "config.train.log_every",
    "config.train.checkpoint_every",
    "config.train.keep_newest",
    "config.train.keep_best",
    "config.train.profile_at",
    "config.train.microbatches",
    "config.train.profile_steps",
    "config.computed",  # each is compared when it is found again
)


def pin_data(config: Experiment, sets: Sequence[str], priors: Priors) -> Experiment:
    """Pins what is trained on.

    Args:
        config: the experiment; with `data.accept_changed` its old pins count no more.
        sets: what each set holds, see `data.describe_training`.
        priors: shares of forged clips.

    Raises:
        ConfigError: a set is not what it was; names both.
    """
    before = config.computed
    if config.data.accept_changed:
        before = dataclasses.replace(before, data=(), priors=Priors())
    if before.data and before.data != tuple(sets):
        paths = (config.data.path, *config.data.extra_paths)
        path, now, then = next(
            row
            for row in zip(paths, sets, (*before.data, *[""] * len(sets)), strict=False)
            if row[1] != row[2]
        )
        raise ConfigError(
            f"{path} now holds {now}; this run was trained on {then or 'nothing there'}: bring the "
            "old set back, or say --config.data.accept_changed=True"
        )
    if before.priors not in (Priors(), priors):
        raise ConfigError(
            f"of the rows drawn {priors.fake:.4f} are forged, in this run it was "
            f"{before.priors.fake:.4f}: another program draws otherwise; start in another --workdir"
        )
    return _pinned(config, data=tuple(sets), priors=priors)


def pin_weights(config: Experiment) -> Experiment:
    """Pins the converted weights that the experiment starts from, by their recomputed hash.

    Raises:
        WeightsError: no converted weights there, or damaged ones.
        ConfigError: others than before.
    """
    for tower in TOWERS:
        folder, expected = getattr(config.init, tower), getattr(config.computed, tower)
        if not folder:
            continue
        found = verify_weights(pathlib.Path(folder), tower_config(config, tower))
        if expected not in ("", found):
            raise ConfigError(
                f"{folder} holds weights {found[:12]}, but this run is of {expected[:12]}: bring "
                "the old ones back"
            )
        config = _pinned(config, **{tower: found})
    return config


def pin_run(config: Experiment) -> Experiment:
    """Pins step and content of the run that gives the first parameters.

    Raises:
        UserError: that run cannot be loaded, or its parameters are not those of before.
    """
    if not config.init.run:
        return config
    expected = config.computed.run
    run = run_that_gives(config, lambda workdir, step: load_run(workdir, step=step))
    found = pin_of(run)
    if expected not in ("", found):
        raise ConfigError(
            f"config.init.run={config.init.run}: step {run.step} holds other parameters than when "
            "this run began: bring the old ones back"
        )
    return _pinned(config, run=found)


def pin_code(config: Experiment) -> Experiment:
    """Pins the program; another one than before is reported."""
    found = code_hash()
    if config.computed.code not in ("", found):
        log.warning(
            "this run was begun by other code (%s, now %s): figures may differ",
            config.computed.code[:12],
            found[:12],
        )
    return _pinned(config, code=found)


def facts_of(config: Experiment) -> dict[str, str]:
    """What must be the same on all hosts before the first step, by name."""
    values = leaves(config.to_mapping())
    shared = {
        name: value
        for name, value in values.items()
        if name not in PER_HOST and not name.startswith("config.computed.")
    }
    pins = config.computed
    return {
        "configuration": json.dumps(shared, sort_keys=True),
        "code version": pins.code,
        "set of data": " ".join(pins.data),
        "set of weights": " ".join([*(getattr(pins, tower) for tower in TOWERS), pins.run]),
    }


def refuse_other_experiment(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
    """Refuses to continue one experiment as another.

    Args:
        old, new: unstructured configurations, of the work folder and of the command.
        where: the work folder, for the message.

    Raises:
        ConfigError: they differ in more than `RESUMABLE`; names the settings.
    """
    changed = {
        name: values
        for name, values in differences(old, new).items()
        if not any(name == free or name.startswith(f"{free}.") for free in RESUMABLE)
    }
    if changed:
        parts = [f"{name} was {was!r}, now {now!r}" for name, (was, now) in changed.items()]
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        raise ConfigError(
            f"{where} holds a run of another configuration: {'; '.join(parts[:3])}{more}; "
            "choose another --workdir or the old configuration"
        )


def _pinned(config: Experiment, **found: Any) -> Experiment:
    computed: Computed = dataclasses.replace(config.computed, **found)
    return dataclasses.replace(config, computed=computed)
