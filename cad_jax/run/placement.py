"""A run's parameters: which are trained, in what dtype and where on the mesh each lives.

Owns the order shapes -> shardings -> initialisation, and loading what a run has come to.
Knows nothing of the optimiser, of steps or of data.
"""

import dataclasses
import functools
import pathlib
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from cad_jax.models.cad import CAD
from cad_jax.models.functional import FunctionalModel
from cad_jax.models.lora import is_adapter
from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import make_mesh
from cad_jax.parallel.rules import match_rules, parameter_shardings
from cad_jax.run.checkpoint import CheckpointError, Checkpoints
from cad_jax.run.files import CHECKPOINTS
from cad_jax.run.initialise import initial_parameters
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.loss import Contrast, Head
from cad_jax.settings.model import CADConfig
from cad_jax.types import Params

# What the contrastive terms reach: towers without adapters, projectors, temperatures and bias.
ALIGNMENT_PATH = re.compile(
    "^(video_tower|audio_tower|align_video|align_audio|log_|clip_bias$)(?!.*/lora_)"
)
_TOWER = re.compile("^(specific_)?(video|audio)_tower/")
_NORM = re.compile("norm|/ln_")


def random_key(seed: int, name: str) -> jax.Array:
    """The key of one named purpose: everything random comes from (seed, name, step)."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def experiment_mesh(
    config: Experiment,
    devices: Sequence[jax.Device] | None = None,  # pyright: ignore[reportInvalidTypeForm]
) -> Mesh:
    """The experiment's arrangement of `devices`; see `make_mesh`, which says what is refused."""
    return make_mesh(config.mesh.data, config.mesh.fsdp, devices, slices=config.mesh.slices)


def make_model(config: Experiment) -> FunctionalModel:
    """The detector's structure; makes no arrays."""
    return _structure(config.model, config.loss.contrast, config.loss.taught)


@functools.lru_cache(maxsize=8)  # tracing twelve-block towers takes seconds
def _structure(config: CADConfig, contrast: Contrast, taught: tuple[Head, ...]) -> FunctionalModel:
    return FunctionalModel.create(
        lambda rngs: CAD(config, rngs=rngs, contrast=contrast, taught=taught)
    )


def split_trainable(config: Experiment, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of the trainable and of the frozen parameters.

    A pretraining trains the alignment path alone, as far as the experiment trains it.

    Raises:
        RuleError: the `trainable` table does not fit the names.
    """
    names = list(names)
    learns = match_rules(config.optimizer.trainable, names, table="trainable")
    if config.stage == "pretrain":
        learns = {name: learns[name] and bool(ALIGNMENT_PATH.search(name)) for name in names}
    return [n for n in names if learns[n]], [n for n in names if not learns[n]]


@dataclasses.dataclass(frozen=True)
class Placement:
    """The detector of an experiment on a mesh.

    Attributes:
        config: the experiment.
        mesh: the devices.
        model: the detector.
    """

    config: Experiment
    mesh: Mesh
    model: FunctionalModel

    @functools.cached_property
    def names(self) -> tuple[list[str], list[str]]:
        """Trainable and frozen names; raises RuleError as `split_trainable`."""
        return split_trainable(self.config, self.model.shapes)

    @functools.cached_property
    def shardings(self) -> dict[str, NamedSharding]:
        """Where each parameter lives.

        Raises:
            RuleError: the sharding rules do not fit the parameters.
        """
        config = self.config.mesh
        return parameter_shardings(
            config.sharding, self.model.shapes, self.mesh, least=config.shard_from
        )

    @functools.cached_property
    def targets(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shape, dtype and sharding of every parameter.

        What is trained is float32, or small updates would be lost; of what is frozen, the towers'
        weights have the configured dtype, their norms and everything else float32.
        """
        frozen = set(self.names[1])
        stored = jnp.dtype(self.config.model.frozen_dtype)

        def dtype(name: str) -> jnp.dtype:
            plain = _TOWER.search(name) and not _NORM.search(name) and not is_adapter(name)
            return stored if name in frozen and plain else jnp.dtype(jnp.float32)

        return {
            name: jax.ShapeDtypeStruct(leaf.shape, dtype(name), sharding=self.shardings[name])
            for name, leaf in self.model.shapes.items()
        }

    @property
    def frozen_target(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shape, dtype and sharding of the frozen parameters."""
        return {name: self.targets[name] for name in self.names[1]}

    def init_trainable(self) -> Params:
        """The trainable parameters, on their devices; raises as `initial_parameters`."""
        return self._init(self.names[0])

    def init_frozen(self) -> Params:
        """The frozen parameters, on their devices; raises as `initial_parameters`."""
        return self._init(self.names[1])

    def _init(self, names: list[str]) -> Params:
        return initial_parameters(
            self.config,
            self.targets,
            names,
            of_run=lambda workdir, step: load_run(workdir, self.mesh, step),
            fresh=self._fresh,
        )

    def _fresh(self, names: list[str]) -> Params:
        """Random values, on their devices."""
        if not names:
            return {}
        # One program for all draws would compile for minutes; drawn one by one, each shape compiles
        # once. Every host draws all of them and keeps its devices' parts.
        drawn = self.model.init(random_key(self.config.seed, "init"))

        def place(name: str) -> jax.Array:
            value = np.asarray(drawn[name].astype(self.targets[name].dtype))
            return jax.make_array_from_callback(
                value.shape, self.shardings[name], lambda part: value[part]
            )

        return {name: place(name) for name in names}


class LoadedRun(NamedTuple):
    """What a run has come to.

    Attributes:
        config: its experiment.
        mesh: where its parameters are.
        step: of the checkpoint.
        params: all of them, by name.
        folder: of the checkpoint.
    """

    config: Experiment
    mesh: Mesh
    step: int
    params: Params
    folder: pathlib.Path


def load_run(
    workdir: str | pathlib.Path, mesh: Mesh | None = None, step: int | None = None
) -> LoadedRun:
    """A checkpoint of a run, by default the best by validation AUC, else the newest.

    Args:
        workdir: of the run.
        mesh: where the parameters go; the run's own arrangement by default.
        step: which checkpoint.

    Raises:
        UserError: there is none, it does not fit its own configuration, or what its frozen
            parameters come from is gone or changed.
    """
    workdir = pathlib.Path(workdir)
    checkpoints = hosts.together(lambda: Checkpoints(workdir, read_only=True))
    try:
        step = checkpoints.best_step() if step is None else checkpoints.check_step(step)
        if step is None:
            raise CheckpointError(f"no checkpoint in {workdir}: nothing was saved there yet")
        config = Experiment.from_mapping(checkpoints.read_config(step))
        mesh = mesh or experiment_mesh(config)
        placement = Placement(config, mesh, make_model(config))
        target = {name: placement.targets[name] for name in placement.names[0]}
        params = checkpoints.restore_params(step, target) | placement.init_frozen()
    finally:
        checkpoints.close()
    return LoadedRun(config, mesh, step, params, workdir / CHECKPOINTS / str(step))
