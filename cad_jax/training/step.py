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
from cad_jax.models.functional import FunctionalModel
from cad_jax.parallel.mesh import replicated
from cad_jax.run.checkpoint import TrainState
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig, needs_labels
from cad_jax.training.accumulation import accumulated_gradient
from cad_jax.training.optimizer import follow
from cad_jax.types import Batch, MaskedSum, Outputs, Params

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
    microbatches: int = 1,
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
        microbatches: into how many the forward and backward passes cut a batch; each device's rows
            divide by it. Changes memory and speed, nothing else.

    Returns:
        (state, frozen, batch) -> (next state, metrics). Metrics are means over the global batch:
        `loss`, `loss/<term>` unweighted, `watch/<figure>`, `gradient_norm`, `learning_rate`.
    """

    def objective(outputs: Outputs, batch: Batch):
        total, terms = cad_losses(outputs, batch, loss, priors, mesh)
        watch = collapse_watch(outputs, batch, detects=bool(needs_labels(loss)))
        return total, (terms, watch)

    def value_and_grad(params: Params, frozen: Params, batch: Batch):
        def forward(params: Params, batch: Batch) -> Outputs:
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
                return model.merge({**frozen, **params})(batch)

        if microbatches > 1:
            return accumulated_gradient(forward, objective, params, batch, microbatches, mesh)
        whole = jax.value_and_grad(lambda p: objective(forward(p, batch), batch), has_aux=True)
        return whole(params)

    def step(state: TrainState, frozen: Params, batch: Batch) -> tuple[TrainState, Metrics]:
        (total, (terms, watch)), grads = value_and_grad(state.params, frozen, batch)
        with jax.named_scope("optimizer"):
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
