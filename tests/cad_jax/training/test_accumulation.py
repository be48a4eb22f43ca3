"""Microbatches against the whole batch: value, metrics and every gradient."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cad_jax.flops import count_flops
from cad_jax.lab.compile_report import count_collectives
from cad_jax.losses.total import cad_losses
from cad_jax.parallel.mesh import batch_sharding, make_mesh, put_batch, replicated
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Priors
from cad_jax.settings.loss import LossConfig
from cad_jax.training.accumulation import _join, _split, accumulated_gradient
from cad_jax.training.learner import Learner, traced_step
from cad_jax.types import Outputs
from data_pipelines.errors import UserError

# The same products summed in another order: float32's rounding, relative to the largest entry.
TOLERANCE = 5e-6
SCALARS = ("clip_scale", "frame_scale", "clip_bias")
rarely = pytest.mark.heavy  # what is shown elsewhere, too, or for other settings
EVERYTHING = LossConfig(kl=0.3, adjustment=1.0)


def stretched(params, batch):
    """A detector of one gain per feature: every output depends on its row and the parameters."""
    outputs = {}
    for name, value in batch["outputs"].items():
        learns = jnp.issubdtype(value.dtype, jnp.floating)
        outputs[name] = value * params[name] if learns else value
    return Outputs(**outputs, **{name: jnp.exp(params[name]) for name in SCALARS})


def step_and_gains(step, mesh):
    """Outputs and labels as a batch on a mesh, and one gain per feature."""
    outputs, labels = step
    rng = np.random.default_rng(5)
    gains = {
        name: (1 + 0.1 * rng.standard_normal(value.shape[1:])).astype(np.float32)
        for name, value in outputs.items()
        if value.dtype == np.float32
    }
    gains |= {"clip_scale": np.float32(2.0), "frame_scale": np.float32(1.5)}
    rows = {name: value for name, value in outputs.items() if name not in SCALARS}
    batch = {**put_batch(labels, mesh), "outputs": put_batch(rows, mesh)}
    return batch, jax.device_put(gains, replicated(mesh))


def value_and_grads(step, config, mesh, count):
    """Loss, terms and gradients; of the whole batch where count is 1."""
    batch, gains = step_and_gains(step, mesh)

    def objective(outputs, batch):
        return cad_losses(outputs, batch, config, Priors(fake=0.7), mesh)

    @jax.jit
    def accumulated(gains, batch):
        if count == 1:
            whole = jax.value_and_grad(
                lambda g: objective(stretched(g, batch), batch), has_aux=True
            )
            return whole(gains)
        return accumulated_gradient(stretched, objective, gains, batch, count, mesh)

    (value, terms), grads = accumulated(gains, batch)
    return value, terms, jax.device_get(grads)


@pytest.fixture(scope="module")
def whole(make_step):
    """Loss, terms and gradients of the whole batch on one device, by the plain form."""
    alone = make_mesh(devices=jax.devices()[:1])
    plain = dataclasses.replace(EVERYTHING, info_nce="dense")
    return {
        contrast: value_and_grads(
            make_step(32), dataclasses.replace(plain, contrast=contrast), alone, 1
        )
        for contrast in ("softmax", "sigmoid")
    }


@pytest.mark.slow
@pytest.mark.parametrize("devices", [*(pytest.param(n, marks=rarely) for n in (1, 2, 4)), 8])
@pytest.mark.parametrize("form", ["dense", "gather", "ring"])
@pytest.mark.parametrize("contrast", ["softmax", "sigmoid"])
def test_microbatches_give_the_gradient_of_the_whole_batch(
    make_step, whole, contrast, form, devices
):
    """Every term has weight. The tests of losses compare each contrast, in every form and on every
    mesh, with NumPy; here are the same in four microbatches."""
    mesh = make_mesh(-1, 2 if devices > 2 else 1, devices=jax.devices()[:devices])
    config = dataclasses.replace(EVERYTHING, contrast=contrast, info_nce=form)
    want, want_terms, want_grads = whole[contrast]
    value, terms, grads = value_and_grads(make_step(32), config, mesh, 4)
    np.testing.assert_allclose(value, want, rtol=2e-6)
    for name, term in want_terms.items():
        np.testing.assert_allclose(terms[name].total, term.total, rtol=5e-6, err_msg=name)
        assert float(terms[name].count) == float(term.count) > 0, name
    for name, gradient in want_grads.items():
        error = np.abs(grads[name] - gradient).max()
        assert error <= TOLERANCE * max(np.abs(gradient).max(), 1e-2), name
    learned = {"z_video", "z_audio", "clip_scale", "frame_scale", "logit", "predicted_audio"}
    learned |= {"clip_bias"} if contrast == "sigmoid" else set()
    assert all(np.abs(want_grads[name]).max() > 1e-3 for name in learned)


def test_rows_come_back_in_order_and_nothing_is_sent():
    mesh = make_mesh(2, 4)
    rows = {"x": np.arange(48.0).reshape(48, 1), "y": np.arange(48)}
    batch = put_batch(rows, mesh)
    micro = _split(batch, 3, mesh)
    assert micro["x"].shape == (3, 16, 1)
    np.testing.assert_array_equal(micro["y"][0], [0, 1, 6, 7, 12, 13, 18, 19, 24, 25, 30, 31, 36,
                                                  37, 42, 43])  # fmt: skip
    back = jax.device_get(_join({"x": micro["x"]}, mesh))
    np.testing.assert_array_equal(back["x"], rows["x"])

    def there_and_back(batch):
        return _join(jax.tree.map(lambda x: x + 1, _split(batch, 3, mesh)), mesh)

    shape = jax.ShapeDtypeStruct((48, 5), jnp.float32, sharding=batch_sharding(mesh))
    compiled = jax.jit(there_and_back).lower({"x": shape}).compile()
    assert count_collectives(compiled.as_text()) == {}


FROZEN = {"trainable": [["^(video|audio)_tower/(?!.*lora)", False], [".*", True]]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        pytest.param((1, 1), {"loss": {"contrast": "sigmoid", "kl": 0.1}}, id="one device"),
        pytest.param(
            (2, 4), {"features": True, "optimizer": FROZEN}, id="stored features", marks=rarely
        ),
        pytest.param(
            (8, 1),
            {"model": {"remat": "all"}, "optimizer": FROZEN},
            id="frozen towers, remat",
            marks=rarely,
        ),
    ],
)
def test_a_step_of_the_detector_is_the_same(small_experiment, shape, changes):
    """Metrics, and by Adam's first moment every clipped gradient, of two microbatches and of none.

    Relative to the largest entry of each, or to a hundredth of the whole gradient where one all but
    cancels: sums are taken in another order, as on another mesh (see test_sharding).
    """
    features = changes.get("features", False)
    changes = {section: values for section, values in changes.items() if section != "features"}
    mesh = make_mesh(*shape, devices=jax.devices()[: shape[0] * shape[1]])
    results = []
    for count in (1, 2):
        config = small_experiment(
            data={"batch_size": 16, "features": features},
            mesh={"shard_from": 1},
            train={"microbatches": count},
            **changes,
        )
        learner = Learner(config, mesh, make_model(config))
        batch = put_batch(random_batch(learner), mesh)
        state, metrics = learner.step(learner.init(), learner.init_frozen(), batch)
        (adam,) = (s for s in state.opt_state if isinstance(s, optax.ScaleByAdamState))
        results.append((jax.device_get(metrics), jax.device_get(adam.mu)))
    (want_metrics, want), (metrics, moments) = results
    for name, value in want_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-5, atol=1e-6, err_msg=name)
    for name, moment in want.items():
        error = np.abs(moments[name] - moment).max()
        assert error <= 2e-5 * max(np.abs(moment).max(), optax.tree.norm(want) / 100), name
    assert sum(np.any(moment != 0) for moment in want.values()) > 0.8 * len(want)


def test_a_pretraining_passes_through_its_alignment_alone(small_pretraining):
    """However large the rest of the model is; in microbatches with one more forward pass."""

    def flops(count, depth):
        config = small_pretraining(
            data={"batch_size": 16},
            model={"fusion_depth": depth},
            train={"microbatches": count},
        )
        return count_flops(traced_step(Learner(config, make_mesh(), make_model(config))).jaxpr)

    assert flops(1, 1) == flops(1, 3)
    assert flops(2, 1) == flops(2, 3)
    assert flops(1, 1) < flops(2, 1) < 2 * flops(1, 1)


def random_batch(learner):
    """A batch of the learner's shapes with every kind of clip in it."""
    rng = np.random.default_rng(3)
    batch = {}
    for name, leaf in learner.batch_target.items():
        if leaf.dtype == np.float32:
            batch[name] = rng.standard_normal(leaf.shape).astype(np.float32)
        elif name.endswith("features"):
            values = jnp.asarray(rng.standard_normal(leaf.shape), jnp.bfloat16)
            batch[name] = np.asarray(values).view(np.uint16)
        elif leaf.dtype == np.bool_:
            batch[name] = rng.random(leaf.shape) > 0.1
        elif leaf.dtype == np.uint8:
            batch[name] = rng.integers(0, 256, leaf.shape, dtype=np.uint8)
        else:
            batch[name] = rng.integers(-1, 2, leaf.shape).astype(leaf.dtype)
    frames = batch["frame_times"].shape[1]
    batch["frame_times"][:] = np.arange(frames) / 5.0
    return batch


def test_a_batch_that_does_not_divide_is_refused_before_anything_is_compiled(small_experiment):
    config = small_experiment(data={"batch_size": 24}, train={"microbatches": 2})
    learner = Learner(config, make_mesh(), make_model(config))
    match = "batch_size of 24 clips does not divide by 8 devices in 2 microbatches: .* of 16"
    with pytest.raises(UserError, match=match):
        learner.batch_target  # noqa: B018
