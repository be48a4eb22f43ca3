"""One experiment on one mesh: model, optimiser, where everything lives, the compiled step.

Owns the order shapes -> shardings -> initialisation under jit. Knows nothing of data or loops.
"""

import dataclasses
import functools
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding

from cad_jax.checkpoint import TrainState
from cad_jax.evaluation.scoring import Scorer
from cad_jax.experiment import ExperimentConfig
from cad_jax.models.detector import CAD
from cad_jax.models.functional import FunctionalModel, Params
from cad_jax.parallel.mesh import replicated
from cad_jax.parallel.rules import parameter_shardings
from cad_jax.training.optimizer import learning_rate, make_optimizer, split_trainable
from cad_jax.training.step import TrainStep, make_train_step


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

        def abstract(name: str) -> jax.ShapeDtypeStruct:
            shape = self.model.shapes[name]
            return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=self.shardings[name])

        params = {name: abstract(name) for name in self.names[0]}
        opt_state = jax.tree_util.tree_map_with_path(
            self._place_moment, jax.eval_shape(self.optimizer.init, params)
        )
        step = jax.ShapeDtypeStruct((), jnp.int32, sharding=replicated(self.mesh))
        return TrainState(step, params, opt_state)

    def init(self) -> TrainState:
        """Fresh trainable parameters and optimiser state, made in place on their devices."""

        def make() -> TrainState:
            params = self._init_params(self.names[0])
            return TrainState(jnp.int32(0), params, self.optimizer.init(params))

        return jax.jit(make, out_shardings=self._state_shardings)()

    def init_frozen(self) -> Params:
        """The frozen parameters, made in place on their devices."""
        names = self.names[1]
        if not names:
            return {}  # nothing to make: do not trace the whole initialisation for it
        shardings = {name: self.shardings[name] for name in names}
        return jax.jit(lambda: self._init_params(names), out_shardings=shardings)()

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

    def _init_params(self, names: list[str]) -> Params:
        params = self.model.init(random_key(self.config.seed, "init"))
        return {name: params[name] for name in names}

    def _place_moment(self, path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> Any:
        """Adam's moments live where their parameter lives, counters everywhere."""
        name = getattr(path[-1], "key", None)
        sharding = self.shardings.get(name, replicated(self.mesh))  # type: ignore[arg-type]
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
