"""One training step as a pure, compiled function of (state, frozen parameters, batch).

Owns gradient, update and metrics; knows nothing of loops, files or data.
"""

from collections.abc import Callable
from typing import cast

import jax
import optax
from jaxtyping import Array, Float

from cad_jax.losses.total import cad_losses
from cad_jax.losses.watch import collapse_watch
from cad_jax.models.functional import FunctionalModel, Params
from cad_jax.parallel.mesh import replicated
from cad_jax.run.checkpoint import TrainState
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig
from cad_jax.training.optimizer import follow
from cad_jax.types import Batch, MaskedSum

Metrics = dict[str, Float[Array, ""]]
TrainStep = Callable[[TrainState, Params, Batch], tuple[TrainState, Metrics]]


def make_train_step(
    model: FunctionalModel,
    loss: LossConfig,
    priors: Priors,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    ema_decay: float,
    shardings: TrainState,
    mesh: jax.sharding.Mesh,
) -> TrainStep:
    """Builds the compiled step. It consumes the state that it is given (donated buffers).

    Only `state.params` are differentiated: frozen parameters cost no gradient, no optimiser memory
    and do not count in the clipped norm.

    Args:
        model: the detector.
        loss: weights of the terms.
        priors: shares of forged clips in the training.
        optimizer: over the trainable parameters' names.
        schedule: step -> learning rate, for the log.
        ema_decay: of the parameters' moving average, where the state has one.
        shardings: of the state, as `jax.sharding.Sharding` leaves.
        mesh: of the batch.

    Returns:
        (state, frozen, batch) -> (next state, metrics). Metrics are means over the global batch:
        `loss`, `loss/<term>` unweighted, `watch/<figure>`, `gradient_norm`, `learning_rate`.
    """

    def loss_of(params: Params, frozen: Params, batch: Batch):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            outputs = model.merge({**frozen, **params})(batch)
        total, terms = cad_losses(outputs, batch, loss, priors, mesh)
        return total, (terms, collapse_watch(outputs, batch))

    def step(state: TrainState, frozen: Params, batch: Batch) -> tuple[TrainState, Metrics]:
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (total, (terms, watch)), grads = gradient(state.params, frozen, batch)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = cast(Params, optax.apply_updates(state.params, updates))
        average = follow(state.average, params, state.step, ema_decay)
        metrics = {
            "loss": total,
            "gradient_norm": optax.tree.norm(grads),
            "learning_rate": schedule(state.step),
            **{f"loss/{name}": _mean(value) for name, value in terms.items()},
            **{f"watch/{name}": _mean(value) for name, value in watch.items()},
        }
        return TrainState(state.step + 1, params, opt_state, average), metrics

    return jax.jit(step, donate_argnums=0, out_shardings=(shardings, replicated(mesh)))


def _mean(value: MaskedSum | jax.Array) -> jax.Array:
    return value.mean() if isinstance(value, MaskedSum) else value
