"""The optimiser: schedule, clipping, decay and rules against AdamW written out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cad_jax.settings.optimizer import OptimizerConfig
from cad_jax.training.optimizer import follow, learning_rate, make_optimizer

SHAPES = {n: jax.ShapeDtypeStruct((3,), jnp.float32) for n in ("tower/kernel", "tower/lora_a")}


def test_schedule_warms_up_and_decays():
    rate = learning_rate(OptimizerConfig(learning_rate=1.0, warmup_steps=10), steps=110)
    np.testing.assert_allclose(
        [rate(0), rate(5), rate(10), rate(60), rate(110)], [0, 0.5, 1, 0.505, 0.01], atol=1e-6
    )


def test_matches_adamw_in_numpy():
    config = OptimizerConfig(
        learning_rate=0.1,
        weight_decay=0.5,
        clip_norm=1.0,
        b2=0.9,  # 1 - 0.999**t would lose digits in float32
        final_fraction=1.0,
        rate_scale=(("lora", 2.0), (".*", 1.0)),
        decay_scale=(("lora", 0.0), (".*", 1.0)),
    )
    params = {n: jnp.asarray([1.0, -2.0, 3.0]) for n in SHAPES}
    tx = make_optimizer(config, list(params), steps=10)
    state = tx.init(params)
    reference = {n: np.asarray(p, np.float64) for n, p in params.items()}
    first = {n: np.zeros(3) for n in params}
    second = {n: np.zeros(3) for n in params}
    for t in range(1, 4):
        grads = {n: jnp.asarray([3.0, -4.0, t]) for n in params}
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        norm = np.sqrt(2 * (9 + 16 + t**2))
        for name in reference:
            g = np.asarray(grads[name]) / norm
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.9 * second[name] + 0.1 * g**2
            step = first[name] / (1 - 0.9**t) / (np.sqrt(second[name] / (1 - 0.9**t)) + 1e-8)
            lora = "lora" in name
            step = step + (0.0 if lora else 0.5) * reference[name]
            reference[name] -= 0.1 * (2.0 if lora else 1.0) * step
    for name, expected in reference.items():
        np.testing.assert_allclose(params[name], expected, rtol=1e-5)


def test_a_moving_average_in_numpy():
    values = np.float32([[1, 2, 3], [4, 0, -2], [0, 1, 0]])
    average, expected = {"x": jnp.asarray(values[0])}, values[0]
    for step, value in enumerate(values[1:]):
        average = follow(average, {"x": jnp.asarray(value)}, jnp.int32(step), 0.15)
        kept = (1 / 10, 0.15)[step]  # the second would be 2 / 11
        expected = kept * expected + (1 - kept) * value
    np.testing.assert_allclose(average["x"], expected, rtol=1e-6)
    assert follow({}, {"x": jnp.ones(1)}, jnp.int32(0), 0.0) == {}
