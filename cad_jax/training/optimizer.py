"""AdamW with warm-up, cosine decay and per-parameter rules, over the trainable parameters only."""

import dataclasses
import re
from collections.abc import Mapping

import jax
import optax

from cad_jax.models.functional import Params
from cad_jax.parallel.rules import match_rules


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How the trainable parameters move. Rules are (pattern, value) tables, see `parallel.rules`.

    Attributes:
        learning_rate: peak of the schedule.
        warmup_steps: linear rise from 0.
        final_fraction: the cosine ends at this fraction of the peak.
        b1, b2, eps: Adam's moments (Loshchilov and Hutter 2019, arXiv 1711.05101).
        weight_decay: decoupled, scaled by the schedule.
        clip_norm: largest global norm of the trainables' gradient.
        trainable: which parameters learn; the others are frozen and never differentiated.
        scope: pattern of the names to which learning is confined besides; a pretraining's.
        rate_scale: multiplier of the learning rate.
        decay_scale: multiplier of the weight decay; norms and biases usually get 0.
    """

    learning_rate: float = 1e-3
    warmup_steps: int = 0
    final_fraction: float = 0.01
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    trainable: tuple[tuple[str, bool], ...] = ((".*", True),)
    scope: str = ".*"
    rate_scale: tuple[tuple[str, float], ...] = ((".*", 1.0),)
    decay_scale: tuple[tuple[str, float], ...] = ((".*", 1.0),)


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Step -> learning rate: linear warm-up, then cosine to `final_fraction` of the peak."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if config.warmup_steps else config.learning_rate,
        peak_value=config.learning_rate,
        warmup_steps=config.warmup_steps,
        decay_steps=max(steps, config.warmup_steps + 1),
        end_value=config.learning_rate * config.final_fraction,
    )


def split_trainable(
    config: OptimizerConfig, shapes: Mapping[str, jax.ShapeDtypeStruct]
) -> tuple[list[str], list[str]]:
    """Names of the trainable and of the frozen parameters.

    Raises:
        RuleError: the `trainable` table does not fit the names.
    """
    rules = match_rules(config.trainable, shapes, table="trainable")
    learns = {name: rules[name] and bool(re.search(config.scope, name)) for name in shapes}
    return [n for n in shapes if learns[n]], [n for n in shapes if not learns[n]]


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


def _add_weight_decay(decays: Mapping[str, float]) -> optax.GradientTransformation:
    def update(updates: Params, params: Params) -> Params:
        return {name: value + decays[name] * params[name] for name, value in updates.items()}

    return optax.stateless(update)  # type: ignore[arg-type]


def _scale_each(scales: Mapping[str, float]) -> optax.GradientTransformation:
    def update(updates: Params, _: Params | None) -> Params:
        return {name: value * scales[name] for name, value in updates.items()}

    return optax.stateless(update)  # type: ignore[arg-type]
