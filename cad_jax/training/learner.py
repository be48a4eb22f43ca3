"""One experiment on one mesh, to be trained: the placed model, its optimiser, the compiled step.

Owns what a training run needs beyond the parameters. Knows nothing of data or loops.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cad_jax.flops import count_flops
from cad_jax.losses.candidates import choose_form
from cad_jax.parallel.mesh import batch_shapes, check_divides, replicated
from cad_jax.run.checkpoint import TrainState
from cad_jax.run.placement import Placement, make_model
from cad_jax.training.optimizer import learning_rate, make_optimizer
from cad_jax.training.step import TrainStep, make_train_step
from data_pipelines.loading.transforms import blank_row


class Learner(Placement):
    """What a training run needs of the model: see `Placement`, and besides it the optimiser."""

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return make_optimizer(self.config.optimizer, self.names[0], self.config.train.steps)

    @functools.cached_property
    def target(self) -> TrainState:
        """Shapes, dtypes and shardings of the training state: what a checkpoint must fit."""
        params = {name: self.targets[name] for name in self.names[0]}
        opt_state = jax.tree_util.tree_map_with_path(
            self._place_moment, jax.eval_shape(self.optimizer.init, params)
        )
        step = jax.ShapeDtypeStruct((), jnp.int32, sharding=replicated(self.mesh))
        average = dict(params) if self.config.optimizer.ema_decay else {}
        return TrainState(step, params, opt_state, average)

    @property
    def batch_target(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and shardings of a global training batch.

        Raises:
            UserError: the batch does not divide by devices and microbatches.
        """
        clip, model = self.config.data.clip, self.config.model
        row: dict[str, Any] = dict(blank_row(clip, -1))
        if self.config.data.features:
            frames, tokens = clip.num_mouths or clip.frames, 2 * clip.num_bins
            shapes = {
                "video": (frames, model.align_video.width),
                "audio": (tokens, model.audio.width),
            }
            row |= {
                f"{name}_features": jax.ShapeDtypeStruct(shape, jnp.uint16)
                for name, shape in shapes.items()
            }
        size, parts = self.config.data.batch_size, self.config.train.microbatches
        check_divides(size, self.mesh, "config.data.batch_size", parts)
        return batch_shapes(row, size, self.mesh)

    def init(self) -> TrainState:
        """The state before the first step, on its devices.

        Raises:
            UserError: as `initial_parameters`.
        """
        params = self.init_trainable()
        empty = jax.jit(self.optimizer.init, out_shardings=self._state_shardings.opt_state)
        step = jax.device_put(jnp.int32(0), replicated(self.mesh))
        # Copies, for the step consumes both.
        average = jax.tree.map(jnp.copy, params) if self.target.average else {}
        return TrainState(step, params, empty(params), average)

    @functools.cached_property
    def step(self) -> TrainStep:
        """The compiled training step."""
        return make_train_step(
            self.model,
            self.config.loss,
            self.config.computed.priors,
            self.optimizer,
            learning_rate(self.config.optimizer, self.config.train.steps),
            self.config.optimizer.ema_decay,
            self._state_shardings,
            self.mesh,
            self.config.train.microbatches,
        )

    @property
    def contrast(self) -> str:
        """How clips are told apart over the global batch, for people."""
        config, clips = self.config.loss, self.config.data.batch_size
        if not config.align_clip:
            return "none, loss.align_clip is 0"
        clip = self.config.data.clip
        width = (clip.num_mouths or clip.frames) * self.config.model.embedding
        form = config.info_nce
        if form == "auto":
            form = f"{choose_form(clips, width, self.mesh.size)} (chosen)"
        return f"{config.contrast} over {clips} clips by {self.mesh.size} device(s): {form}"

    @property
    def _state_shardings(self) -> TrainState:
        return jax.tree.map(lambda leaf: leaf.sharding, self.target)

    def _place_moment(self, path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> Any:
        """Adam's moments live where their parameter lives, counters everywhere."""
        name = getattr(path[-1], "key", None)
        sharding = self.shardings.get(name, replicated(self.mesh))  # type: ignore[arg-type]
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def traced_step(learner: Learner) -> Any:
    """The training step traced for the learner's shapes: its `jaxpr`, and `lower()`; no arrays."""
    arguments = (learner.target, learner.frozen_target, learner.batch_target)
    return learner.step.trace(*arguments)  # type: ignore[attr-defined]


def model_flops(learner: Learner) -> float:
    """FLOPs of one training step of the whole mesh, recomputation not counted; see `count_flops`.

    What the model's definition asks for, whatever a compiler makes of it.
    """
    config = learner.config
    plain = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, remat="none"),
        train=dataclasses.replace(config.train, microbatches=1),
    )
    return float(count_flops(traced_step(Learner(plain, learner.mesh, make_model(plain))).jaxpr))
