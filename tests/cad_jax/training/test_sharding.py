"""One code path from one device to many: the same loss and gradients on every mesh."""

import jax
import numpy as np
import optax
import pytest

from cad_jax.data import open_training
from cad_jax.losses.total import cad_losses
from cad_jax.models.lora import is_adapter
from cad_jax.parallel.mesh import make_mesh, put_batch
from cad_jax.run.placement import experiment_mesh, make_model
from cad_jax.settings.experiment import Priors
from cad_jax.training.learner import Learner
from data_pipelines.loading.pipeline import training_batches

pytestmark = pytest.mark.slow

# float32 sums in another order: relative to the largest entry of each gradient.
TOLERANCE = 2e-5


def one_batch(config):
    source = open_training(config.data)
    return next(
        iter(
            training_batches(
                source,
                batch_size=config.data.batch_size,
                seed=1,  # of seed 0's batch, one bias has a gradient that all but cancels (1e-3)
                clip=config.data.clip,
                augment=config.data.augment,
            )
        )
    )


def loss_and_gradients(config, mesh):
    learner = Learner(config, mesh, make_model(config))
    state, batch = learner.init(), put_batch(one_batch(config), mesh)

    def loss(params):
        return cad_losses(learner.model.merge(params)(batch), batch, config.loss, Priors(), mesh)[0]

    value, grads = jax.jit(jax.value_and_grad(loss))(state.params)
    return float(value), jax.device_get(grads)


@pytest.fixture(scope="module")
def alone(small_experiment):
    """Loss and gradients on one device, with the plain form of InfoNCE."""
    config = small_experiment(data={"batch_size": 16})
    return loss_and_gradients(config, make_mesh(devices=jax.devices()[:1]))


# Every form on every mesh is compared in the tests of info_nce; here the whole step is.
@pytest.mark.parametrize(("shape", "form"), [((8, 1), "gather"), ((2, 4), "ring")])
def test_eight_devices_equal_one(small_experiment, alone, shape, form):
    config = small_experiment(
        data={"batch_size": 16},
        loss={"info_nce": form},
        mesh={"shard_from": 1},
    )
    value, grads = loss_and_gradients(config, make_mesh(data=shape[0], fsdp=shape[1]))
    expected, expected_grads = alone
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for name, gradient in expected_grads.items():
        error = np.abs(grads[name] - gradient).max()
        assert error <= TOLERANCE * max(np.abs(gradient).max(), 1e-3), name


def test_initialisation_does_not_depend_on_the_mesh(small_experiment):
    config = small_experiment(mesh={"shard_from": 1})
    one = Learner(config, make_mesh(devices=jax.devices()[:1]), make_model(config)).init()
    eight = Learner(config, make_mesh(data=2, fsdp=4), make_model(config)).init()
    jax.tree.map(np.testing.assert_array_equal, one.params, eight.params)
    kernels = [n for n in eight.params if n.endswith("kernel")]
    assert any("fsdp" in eight.params[n].sharding.spec for n in kernels)


def test_moments_live_with_their_parameters(small_experiment):
    config = small_experiment(mesh={"shard_from": 1})
    learner = Learner(config, make_mesh(data=2, fsdp=4), make_model(config))
    state = learner.init()
    (adam,) = (s for s in state.opt_state if isinstance(s, optax.ScaleByAdamState))
    for name, param in state.params.items():
        assert adam.mu[name].sharding == adam.nu[name].sharding == param.sharding


def test_frozen_parameters_have_no_gradient_and_no_moments(small_experiment):
    frozen = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}
    config = small_experiment(optimizer=frozen)
    mesh = experiment_mesh(config)
    learner = Learner(config, mesh, make_model(config))
    state, frozen = learner.init(), learner.init_frozen()
    towers = {n for n in learner.model.shapes if n.startswith(("video_tower/", "audio_tower/"))}
    assert frozen.keys() == {name for name in towers if not is_adapter(name)}
    assert not frozen.keys() & state.params.keys()
    before = jax.device_get(frozen)
    params = jax.device_get(state.params)
    batch = put_batch(one_batch(config), mesh)
    for _ in range(2):  # the rate of the first one is 0
        state, _ = learner.step(state, frozen, batch)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(frozen), before)
    moved = [n for n in params if not np.array_equal(params[n], state.params[n])]
    assert len(moved) > 0.9 * len(params)
