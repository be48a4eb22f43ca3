"""One experiment on one mesh: model, optimiser, where everything lives, the compiled step.

Owns the order shapes -> shardings -> initialisation under jit. Knows nothing of data or loops.
"""

import dataclasses
import functools
import pathlib
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding

from cad_jax.checkpoint import CheckpointError, Checkpoints, TrainState
from cad_jax.evaluation.scoring import Scorer
from cad_jax.experiment import ExperimentConfig
from cad_jax.models.detector import CAD
from cad_jax.models.functional import FunctionalModel, Params
from cad_jax.parallel.mesh import batch_shapes, make_mesh, replicated
from cad_jax.parallel.rules import parameter_shardings
from cad_jax.training.initialise import initial_parameters, pin_weights
from cad_jax.training.optimizer import learning_rate, make_optimizer, split_trainable
from cad_jax.training.step import TrainStep, make_train_step
from data_pipelines.loading.transforms import blank_row


def random_key(seed: int, name: str) -> jax.Array:
    """The key of one named purpose: everything random comes from (seed, name, step)."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def make_model(config: ExperimentConfig) -> FunctionalModel:
    """The detector's structure; makes no arrays."""
    return FunctionalModel.create(lambda rngs: CAD(config.model, rngs=rngs))


@functools.lru_cache(maxsize=1)
def make_scorer(config: ExperimentConfig, mesh: Mesh) -> Scorer:
    """The scoring step; compiled once for a training and the evaluation that follows it."""
    return Scorer(make_model(config), config, mesh)


class TrainedRun(NamedTuple):
    """What a run has come to: its experiment, the step of its best checkpoint, all parameters."""

    config: ExperimentConfig
    mesh: Mesh
    step: int
    params: Params


def load_run(workdir: pathlib.Path, mesh: Mesh | None = None) -> TrainedRun:
    """The best checkpoint of a run by validation AUC; the newest where none was evaluated.

    Args:
        workdir: of the run.
        mesh: where the parameters go; the run's own arrangement by default.

    Raises:
        UserError: there is none, it does not fit its own configuration, or what its frozen
            parameters come from is gone or changed.
    """
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        step = checkpoints.best_step()
        if step is None:
            raise CheckpointError(f"no checkpoint in {workdir}: nothing was saved there yet")
        config = pin_weights(ExperimentConfig.from_mapping(checkpoints.read_config(step)))
        mesh = mesh or make_mesh(config.mesh.data, config.mesh.fsdp)
        learner = Learner(config, mesh, make_model(config))
        trained = checkpoints.restore_params(step, learner.target.params)
    finally:
        checkpoints.close()
    return TrainedRun(config, mesh, step, trained | learner.init_frozen())


@dataclasses.dataclass(frozen=True)
class Learner:
    """What a training run needs of the model.

    Attributes:
        config: the experiment.
        mesh: the devices.
        model: the detector.
    """

    config: ExperimentConfig
    mesh: Mesh
    model: FunctionalModel

    @functools.cached_property
    def shardings(self) -> dict[str, NamedSharding]:
        """Where each parameter lives.

        Raises:
            RuleError: the sharding rules do not fit the parameters.
        """
        return parameter_shardings(self.config.mesh.sharding, self.model.shapes, self.mesh)

    @functools.cached_property
    def names(self) -> tuple[list[str], list[str]]:
        """Trainable and frozen names; raises RuleError as `split_trainable`."""
        return split_trainable(self.config.optimizer, self.model.shapes)

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return make_optimizer(self.config.optimizer, self.names[0], self.config.train.steps)

    @functools.cached_property
    def target(self) -> TrainState:
        """Shapes and shardings of the training state: what a checkpoint must fit."""
        params = self._abstract(self.names[0])
        opt_state = jax.tree_util.tree_map_with_path(
            self._place_moment, jax.eval_shape(self.optimizer.init, params)
        )
        step = jax.ShapeDtypeStruct((), jnp.int32, sharding=replicated(self.mesh))
        return TrainState(step, params, opt_state)

    @property
    def frozen_target(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and shardings of the frozen parameters."""
        return self._abstract(self.names[1])

    @property
    def batch_target(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and shardings of a global training batch.

        Raises:
            UserError: the batch does not divide by the devices.
        """
        clip, model = self.config.data.clip, self.config.model
        row: dict[str, Any] = dict(blank_row(clip, -1))
        if self.config.data.features:
            frames, tokens = clip.num_mouths or clip.frames, 2 * clip.num_bins
            shapes = {"video": (frames, model.video.width), "audio": (tokens, model.audio.width)}
            row |= {
                f"{name}_features": jax.ShapeDtypeStruct(shape, jnp.uint16)
                for name, shape in shapes.items()
            }
        return batch_shapes(row, self.config.data.batch_size, self.mesh)

    def init(self) -> TrainState:
        """The trainable parameters and the optimiser before the first step, on their devices.

        Raises:
            UserError: as `initial_parameters`.
        """

        params = self._init_params(self.names[0])
        empty = jax.jit(self.optimizer.init, out_shardings=self._state_shardings.opt_state)
        step = jax.device_put(jnp.int32(0), replicated(self.mesh))
        return TrainState(step, params, empty(params))

    def init_frozen(self) -> Params:
        """The frozen parameters, on their devices; raises as `initial_parameters`."""
        return self._init_params(self.names[1])

    @functools.cached_property
    def step(self) -> TrainStep:
        """The compiled training step."""
        return make_train_step(
            self.model,
            self.config.loss,
            self.optimizer,
            learning_rate(self.config.optimizer, self.config.train.steps),
            self._state_shardings,
            self.mesh,
        )

    @property
    def _state_shardings(self) -> TrainState:
        return jax.tree.map(lambda leaf: leaf.sharding, self.target)

    def _abstract(self, names: list[str]) -> dict[str, jax.ShapeDtypeStruct]:
        shapes = self.model.shapes
        return {
            name: jax.ShapeDtypeStruct(
                shapes[name].shape, shapes[name].dtype, sharding=self.shardings[name]
            )
            for name in names
        }

    def _init_params(self, names: list[str]) -> Params:
        return initial_parameters(
            self.config.init,
            self.config.model,
            self._abstract([*self.shardings]),
            names,
            of_run=lambda workdir: load_run(workdir, self.mesh).params,
            fresh=self._fresh,
        )

    def _fresh(self, names: list[str]) -> Params:
        """Random values, made in place on their devices."""
        if not names:
            return {}  # nothing to make: do not trace the whole initialisation for it
        key = random_key(self.config.seed, "init")

        def make() -> Params:
            params = self.model.init(key)
            return {name: params[name] for name in names}

        return jax.jit(make, out_shardings={name: self.shardings[name] for name in names})()

    def _place_moment(self, path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> Any:
        """Adam's moments live where their parameter lives, counters everywhere."""
        name = getattr(path[-1], "key", None)
        sharding = self.shardings.get(name, replicated(self.mesh))  # type: ignore[arg-type]
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
