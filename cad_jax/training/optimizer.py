"""AdamW with warm-up, cosine decay and per-parameter rules, over the trainable parameters only."""

from collections.abc import Mapping
from typing import cast

import jax
import jax.numpy as jnp
import optax

from cad_jax.parallel.rules import match_rules
from cad_jax.settings.optimizer import OptimizerConfig
from cad_jax.types import Params


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Step -> learning rate: linear warm-up, then cosine to `final_fraction` of the peak."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if config.warmup_steps else config.learning_rate,
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=max(steps, config.warmup_steps + 1),
        end_value=config.learning_rate * config.final_fraction,
    )


def make_optimizer(
    config: OptimizerConfig, trainable: list[str], steps: int
) -> optax.GradientTransformation:
    """The optimiser of a flat dictionary of trainable parameters.

    Args:
        config: peak rate, decay, clipping and rule tables.
        trainable: names of the parameters; rules must fit exactly these.
        steps: length of the run, where the cosine ends.

    Raises:
        RuleError: a rate or decay table does not fit the names.
    """
    rates = match_rules(config.rate_scale, trainable, table="rate_scale")
    decays = match_rules(config.decay_scale, trainable, table="decay_scale")
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(config.b1, config.b2, config.eps),
        _add_weight_decay({name: config.weight_decay * decays[name] for name in trainable}),
        _scale_each(rates),
        optax.scale_by_learning_rate(learning_rate(config, steps)),
    )


def follow(average: Params, params: Params, step: jax.Array, decay: float) -> Params:
    """A moving average of the parameters, one step further; see `OptimizerConfig.ema_decay`.

    Args:
        average: before the step; empty where none is kept.
        params: after the step.
        step: steps taken before it.
        decay: of the average.
    """
    if not average:
        return {}
    kept = jnp.minimum(decay, (1 + step) / (10 + step))
    return cast(Params, optax.incremental_update(params, average, 1 - kept))


def _add_weight_decay(decays: Mapping[str, float]) -> optax.GradientTransformation:
    def update(updates: Params, params: Params) -> Params:
        return {name: value + decays[name] * params[name] for name, value in updates.items()}

    return optax.stateless(update)  # type: ignore[arg-type]


def _scale_each(scales: Mapping[str, float]) -> optax.GradientTransformation:
    def update(updates: Params, _: Params | None) -> Params:
        return {name: value * scales[name] for name, value in updates.items()}

    return optax.stateless(update)  # type: ignore[arg-type]
