import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from cad_jax.lab.compile_report import count_collectives
from cad_jax.parallel.mesh import (
    BATCH_AXES,
    batch_sharding,
    keep_on_batch,
    make_mesh,
    on_own_clips,
    put_batch,
    replicated,
)
from data_pipelines.errors import UserError


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [((-1, 1), (8, 1)), ((-1, 4), (2, 4)), ((4, -1), (4, 2)), ((2, 4), (2, 4))],
)
def test_sizes(sizes, shape):
    mesh = make_mesh(*sizes)
    assert mesh.devices.shape == shape
    assert mesh.axis_names == BATCH_AXES
    assert set(mesh.axis_types) == {AxisType.Auto}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((-1, 3), "data=-1, fsdp=3 does not divide 8 device"),
        ((4, 4), "data=4, fsdp=4 does not divide 8"),
        ((-1, 16), "does not divide 8"),
        ((-1, -1), "only one of the two"),
        ((0, 8), "must be positive"),
        ((-2, 4), "must be positive"),
    ],
)
def test_wrong_sizes_are_named(sizes, message):
    with pytest.raises(UserError, match=message):
        make_mesh(*sizes)


def test_some_devices():
    assert make_mesh(devices=jax.devices()[:2]).devices.shape == (2, 1)


def test_a_batch_is_split_over_both_axes():
    mesh = make_mesh(4, 2)
    batch = put_batch({"x": np.arange(32).reshape(16, 2), "flag": np.ones(16, bool)}, mesh)
    assert batch["x"].sharding == batch_sharding(mesh)
    shards = sorted(batch["x"].addressable_shards, key=lambda shard: shard.device.id)
    assert [shard.data.shape for shard in shards] == [(2, 2)] * 8
    np.testing.assert_array_equal(np.concatenate([s.data for s in shards]).ravel(), np.arange(32))
    # Explicit axes, the default of make_mesh, would refuse this product.
    assert (batch["x"] @ batch["x"].T).shape == (16, 16)
    assert jax.device_put(np.ones(3), replicated(mesh)).sharding.is_fully_replicated


def test_batches_that_do_not_fit_are_refused():
    mesh = make_mesh(4, 2)
    with pytest.raises(UserError, match="12 clips does not divide by 8 devices"):
        put_batch({"x": np.ones((12, 3))}, mesh)
    with pytest.raises(ValueError, match=r"differ in their leading dimension: .*'y': 8"):
        put_batch({"x": np.ones((16, 3)), "y": np.ones(8)}, mesh)


def test_slices_that_are_not_there_are_refused():
    with pytest.raises(UserError, match=r"slices=2: the devices make up 1 slice\(s\)"):
        make_mesh(8, 1, slices=2)


def test_each_device_transforms_its_own_clips_and_nothing_is_sent():
    mesh = make_mesh(2, 4)
    x = np.random.default_rng(0).standard_normal((16, 3, 64)).astype(np.float32)

    def spectra(x):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return on_own_clips(jnp.fft.rfft, x)

    step = jax.jit(spectra).lower(put_batch({"x": x}, mesh)["x"]).compile()
    assert count_collectives(step.as_text()) == {}
    got = step(put_batch({"x": x}, mesh)["x"])
    np.testing.assert_array_equal(got, on_own_clips(jnp.fft.rfft, jnp.asarray(x)))


def test_an_activation_is_kept_on_the_batch_only_where_there_is_a_mesh():
    mesh, x = make_mesh(2, 4), np.ones((8, 3))
    assert "sharding_constraint" not in str(jax.make_jaxpr(keep_on_batch)(x))
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        assert "sharding_constraint" in str(jax.make_jaxpr(keep_on_batch)(x))
