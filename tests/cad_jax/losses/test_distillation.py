import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cad_jax.losses.distillation import feature_distillation, response_distillation
from cad_jax.losses.watch import embedding_std

MASK = jnp.array([True, True, False])


def test_feature_is_the_negative_cosine():
    student = jnp.array([[3.0, 4.0], [1.0, 0.0], [9.0, 9.0]])
    teacher = jnp.array([[4.0, 3.0], [0.0, 2.0], [9.0, 9.0]])
    result = feature_distillation(student, teacher, MASK)
    np.testing.assert_allclose(result.total, -24 / 25, rtol=1e-6)
    assert result.count == 2


def test_feature_of_a_zero_vector_has_a_finite_gradient():
    def loss(student):
        return feature_distillation(student, jnp.ones((3, 2)), MASK).total

    assert np.all(np.isfinite(jax.grad(loss)(jnp.zeros((3, 2)))))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_response_is_the_binary_kl_times_temperature_squared(temperature):
    student, teacher = np.array([0.5, -2.0, 1.0]), np.array([3.0, 1.0, 0.0])
    logits = (jnp.asarray(x, jnp.float32) for x in (student, teacher))
    result = response_distillation(*logits, MASK, temperature)
    p, q = (1 / (1 + np.exp(-x / temperature)) for x in (teacher, student))
    want = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    np.testing.assert_allclose(result.total, temperature**2 * want[:2].sum(), rtol=1e-5)
    assert result.count == 2


def test_response_of_certain_teachers_stays_finite():
    value, gradient = jax.value_and_grad(
        lambda student: response_distillation(student, jnp.array([1e4, -1e4, 0.0]), MASK).total
    )(jnp.array([-1e4, 1e4, 0.0]))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("loss", [feature_distillation, response_distillation])
@pytest.mark.parametrize("stop", [True, False])
def test_the_gradient_stops_at_the_teacher(loss, stop):
    shape = (3, 4) if loss is feature_distillation else (3,)
    student, teacher = jax.random.normal(jax.random.key(0), (2, *shape))

    def total(student, teacher):
        return loss(student, teacher, MASK, stop_gradient=stop).total

    for_student, for_teacher = jax.grad(total, argnums=(0, 1))(student, teacher)
    assert np.any(for_student != 0)
    assert np.all(for_teacher == 0) == stop


def embedding_std_after_training(stop_gradient: bool, seed: int) -> float:
    """SimSiam in small: a linear encoder and a predictor for each of two views of 256 clips."""
    clips, *noise, weights = jax.random.split(jax.random.key(seed), 4)
    b, d = 256, 16
    views = [jax.random.normal(clips, (b, d)) + jax.random.normal(key, (b, d)) for key in noise]
    encoders, predictors = jax.random.normal(weights, (2, 2, d, d)) / np.sqrt(d)
    initial = {"encoders": encoders, "biases": jnp.zeros((2, d)), "predictors": predictors}
    everyone = jnp.ones(b, bool)
    optimiser = optax.adam(1e-2)

    def embed(parameters):
        return [x @ parameters["encoders"][i] + parameters["biases"][i]
                for i, x in enumerate(views)]  # fmt: skip

    def loss(parameters):
        z = embed(parameters)
        return sum(
            feature_distillation(
                z[i] @ parameters["predictors"][i], z[1 - i], everyone, stop_gradient
            ).mean()
            for i in (0, 1)
        )

    def step(carry, _):
        parameters, state = carry
        updates, state = optimiser.update(jax.grad(loss)(parameters), state)
        return (optax.apply_updates(parameters, updates), state), None

    @jax.jit
    def train(parameters):
        carry = (parameters, optimiser.init(parameters))
        (parameters, _), _ = jax.lax.scan(step, carry, length=400)
        return embedding_std(embed(parameters)[0], everyone)

    return float(train(initial))


@pytest.mark.parametrize("seed", [0, 1])
def test_embeddings_collapse_without_the_stopped_gradient_and_not_with_it(seed):
    assert embedding_std_after_training(stop_gradient=True, seed=seed) > 0.8
    assert embedding_std_after_training(stop_gradient=False, seed=seed) < 0.05
