"""The towers written from scratch compute what ours compute: only then is it a comparison."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.lab.compile_comparison import adapter_gradient, towers
from cad_jax.lab.reference_tower import stacked
from cad_jax.models.lora import is_adapter
from cad_jax.parallel.mesh import make_mesh
from data_pipelines.errors import UserError

TOWER = {"width": 32, "heads": 4, "depth": 5}  # deep enough for a loop over stacked blocks
MODEL = {
    "video": TOWER | {"image_size": 32, "patch_size": 16, "stem": "patch", "pool": "class"},
    "audio": TOWER | {"mels": 16, "stem": "time"},
    "specific_towers": [],
    "lora": {"rank": 2, "targets": ["query", "key", "value", "out"]},
    "remat": "all",
}


@pytest.fixture(scope="module")
def pairs(small_experiment):
    return towers(small_experiment(model=MODEL, data={"batch_size": 8}), make_mesh())


def drawn(tower):
    """Parameters and inputs; the adapters' second halves are not 0, so that they count."""
    rng = np.random.default_rng(0)
    params = {
        name: jax.device_put(rng.normal(0, 0.2, leaf.shape).astype("float32"), leaf.sharding)
        for name, leaf in tower.params.items()
    }
    x = tower.inputs
    grey = rng.integers(0, 256, x.shape) if x.dtype == jnp.uint8 else rng.normal(size=x.shape)
    return params, jax.device_put(grey.astype(x.dtype), x.sharding)


def gradient(forward, params, x):
    adapters = {name: value for name, value in params.items() if is_adapter(name)}
    others = {name: value for name, value in params.items() if not is_adapter(name)}
    return jax.jit(adapter_gradient(forward))(adapters, others, x)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1], ids=["video", "audio"])
def test_the_plain_tower_equals_ours_in_value_and_gradient(pairs, index):
    tower = pairs[index]
    params, x = drawn(tower)
    ours, plain = jax.jit(tower.ours)(params, x), jax.jit(tower.plain)(stacked(params), x)
    assert np.std(ours) > 0.1
    np.testing.assert_allclose(plain, ours, rtol=0, atol=2e-5)
    mine, theirs = gradient(tower.ours, params, x), gradient(tower.plain, stacked(params), x)
    assert mine
    for name, value in stacked(mine).items():
        assert np.max(np.abs(value)) > 0
        np.testing.assert_allclose(
            theirs[name], value, rtol=0, atol=1e-4 * np.max(np.abs(value)), err_msg=name
        )


def test_blocks_are_stacked_in_their_order():
    params = {f"blocks/{i}/mlp/up/bias": jnp.full(2, i) for i in (10, 2, 0)} | {"ln": jnp.ones(1)}
    got = stacked(params)
    assert set(got) == {"blocks/mlp/up/bias", "ln"}
    assert got["blocks/mlp/up/bias"].tolist() == [[0, 0], [2, 2], [10, 10]]


def test_a_tower_of_another_kind_is_refused(small_experiment):
    with pytest.raises(UserError, match="size=b16"):
        towers(small_experiment(model={"video": MODEL["video"] | {"stem": "conv"}}), make_mesh())
