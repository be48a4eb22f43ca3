import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from cad_jax.models.student import Student
from cad_jax.settings.model import CADConfig

CONFIG = CADConfig(width=16, heads=2, compute_dtype="bfloat16")


def test_a_student_judges_each_clip_on_its_own():
    student = Student(CONFIG, rngs=nnx.Rngs(0))
    fused = jnp.asarray(np.random.default_rng(0).standard_normal((3, 16)), jnp.float32)
    predicted, logit = student(fused)
    assert predicted.shape == (3, 16)
    assert logit.shape == (3,)
    assert predicted.dtype == logit.dtype == jnp.float32
    alone, _ = student(fused[:1])
    np.testing.assert_allclose(alone, predicted[:1], atol=1e-2)


def test_the_model_leaves_gradients_to_the_losses():
    student = Student(CADConfig(width=16, heads=2), rngs=nnx.Rngs(0))
    gradient = jax.grad(lambda x: jnp.sum(student(x)[0] ** 2))(jnp.ones((1, 16)).at[0, 0].set(2.0))
    assert jnp.max(jnp.abs(gradient)) > 0
