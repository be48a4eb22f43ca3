import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

from cad_jax.models.cad import CAD
from cad_jax.models.verdict import joint_verdict
from cad_jax.settings.loss import LossConfig

FUSED = jnp.array([1.0, -2.0, 0.5])
PICTURE = jnp.array([0.0, -3.0, 2.0])
SOUND = jnp.array([-1.0, 4.0, -5.0])
ALL = jnp.ones(3, bool)


def test_it_is_the_mean_of_the_fusion_and_of_the_noisy_or():
    found = joint_verdict(FUSED, [(PICTURE, ALL), (SOUND, ALL)])
    either = 1 - (1 - special.expit(PICTURE)) * (1 - special.expit(SOUND))
    np.testing.assert_allclose(found, (FUSED + special.logit(either)) / 2, rtol=1e-5)


def test_a_head_counts_where_it_has_something_to_say():
    there = jnp.array([True, False, False])
    found = joint_verdict(FUSED, [(PICTURE, ALL & there), (SOUND, ALL & ~there)])
    want = (FUSED + np.where(there, PICTURE, SOUND)) / 2
    np.testing.assert_allclose(found, want, rtol=1e-5)
    silent = joint_verdict(FUSED, [(PICTURE, ~ALL)])
    np.testing.assert_array_equal(silent, FUSED)


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_sure_heads_give_a_finite_verdict(logit):
    heads = [(jnp.full(3, logit), ALL)] * 3
    found = joint_verdict(FUSED, heads)
    assert np.all(np.isfinite(found))
    assert np.all((found > 5) if logit > 0 else (found < -5))


@pytest.mark.parametrize(
    ("loss", "taught"),
    [
        (LossConfig(), ("video", "audio", "mismatch")),
        (LossConfig(mismatch=0.0), ("video", "audio")),
        (LossConfig(uni=0.0), ("mismatch",)),
        (LossConfig(uni=0.0, mismatch=0.0), ()),
    ],
)
def test_a_head_that_nothing_teaches_has_no_say(separate_config, make_batch, loss, taught):
    assert loss.taught == taught
    model = CAD(separate_config, rngs=nnx.Rngs(0), taught=loss.taught)
    graphdef, state = nnx.split(model)
    x = jax.jit(lambda state, batch: nnx.merge(graphdef, state)(batch))(state, make_batch(True))
    want = x.logit
    if taught:
        logits = {"video": x.logit_video, "audio": x.logit_audio, "mismatch": x.logit_mismatch}
        want = joint_verdict(x.logit, [(logits[name], ALL) for name in taught])
    np.testing.assert_allclose(x.verdict, want, rtol=1e-6)


def test_the_paper_asks_the_fusion_alone(shared_config, make_batch):
    model = CAD(shared_config, rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(model)
    x = jax.jit(lambda state, batch: nnx.merge(graphdef, state)(batch))(state, make_batch(False))
    np.testing.assert_array_equal(x.verdict, x.logit)
