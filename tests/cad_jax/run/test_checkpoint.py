"""Checkpoints: exact round trip, onto another mesh, best and newest kept, misfits named."""

import resource

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.checkpoint import CheckpointError, Checkpoints, Progress, TrainState


def make_state(step, width=8):
    params = {
        "tower/kernel": jnp.arange(4.0 * width).reshape(4, width) + step,
        "head/bias": jnp.ones(3),
    }
    return TrainState(jnp.asarray(step), params, optax.adam(0.1).init(params), {})


def target_of(state, sharding=None):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state)


def save_whole(checkpoints, state):
    checkpoints.save(state, {}, Progress(), None)
    checkpoints.wait()


def test_round_trip_with_config_and_progress(tmp_path):
    checkpoints, state = Checkpoints(tmp_path), make_state(3)
    checkpoints.save(state, {"seed": 1, "rules": [["a", 2.0]]}, Progress(0.7, 2), 0.7)
    checkpoints.close()

    reopened = Checkpoints(tmp_path, read_only=True)
    assert reopened.latest_step() == reopened.best_step() == 3
    restored = reopened.restore(3, target_of(state))
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert reopened.read_config(3) == {"seed": 1, "rules": [["a", 2.0]]}
    assert reopened.read_progress(3) == Progress(0.7, 2)


def test_the_average_is_what_is_given_on_and_both_are_kept(tmp_path):
    checkpoints, state = Checkpoints(tmp_path), make_state(3)
    state = state._replace(average=jax.tree.map(lambda x: x + 0.5, state.params))
    checkpoints.save(state, {}, Progress(), None)
    checkpoints.wait()
    restored = checkpoints.restore(3, target_of(state))
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    given = checkpoints.restore_params(3, target_of(state.params))
    jax.tree.map(np.testing.assert_array_equal, given, state.average)


def test_restores_onto_another_mesh(tmp_path):
    first = NamedSharding(make_mesh(data=2, fsdp=4), PartitionSpec(None, "fsdp"))
    second = NamedSharding(make_mesh(data=4, fsdp=2), PartitionSpec("fsdp"))
    state = make_state(1)
    state.params["tower/kernel"] = jax.device_put(state.params["tower/kernel"], first)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state, {}, Progress(), None)
    checkpoints.wait()
    target = target_of(state, NamedSharding(make_mesh(), PartitionSpec()))
    target.params["tower/kernel"] = jax.ShapeDtypeStruct((4, 8), jnp.float32, sharding=second)
    restored = checkpoints.restore(1, target)
    assert restored.params["tower/kernel"].sharding == second
    np.testing.assert_array_equal(restored.params["tower/kernel"], state.params["tower/kernel"])


def test_keeps_the_newest_two_and_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step, auc in enumerate([0.5, 0.9, 0.6, 0.7, None], start=1):
        checkpoints.save(make_state(step), {}, Progress(), auc)
    checkpoints.wait()
    assert checkpoints.best_step() == 2
    assert checkpoints.latest_step() == 5
    kept = {int(path.name) for path in checkpoints.directory.iterdir() if path.name.isdigit()}
    assert kept == {2, 4, 5}


@pytest.mark.parametrize(
    ("newest", "best", "kept"), [(1, 0, {6}), (2, 1, {1, 5, 6}), (2, 2, {1, 3, 5, 6})]
)
def test_keeps_as_many_as_are_wanted(tmp_path, newest, best, kept):
    checkpoints = Checkpoints(tmp_path, keep_newest=newest, keep_best=best)
    for step, auc in enumerate([0.9, None, 0.6, None, None, None], start=1):
        checkpoints.save(make_state(step), {}, Progress(), auc)
    checkpoints.wait()
    assert {int(path.name) for path in checkpoints.directory.iterdir()} == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda params: params.pop("head/bias"), "unexpected head/bias"),
        (lambda params: params.update(new=jnp.ones(2)), "missing new"),
        (
            lambda params: params.update({"tower/kernel": jnp.ones((4, 2))}),
            "tower/kernel is (4, 8), not (4, 2)",
        ),
    ],
)
def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path, change, message):
    checkpoints, state = Checkpoints(tmp_path), make_state(1)
    checkpoints.save(state, {}, Progress(), None)
    checkpoints.wait()
    params = dict(state.params)
    change(params)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.restore_params(1, target_of(params))
    assert message in str(caught.value)
    assert "another model" in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "3", "{", ""])
def test_a_configuration_that_is_none_is_one_line(tmp_path, content):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(make_state(1), {"seed": 1}, Progress(), None)
    checkpoints.wait()
    (checkpoints.directory / "1" / "config" / "metadata").write_text(content)
    with pytest.raises(CheckpointError, match=r"1/config is no JSON object: bring"):
        checkpoints.read_config(1)


def test_a_disk_that_takes_no_more_is_one_line(tmp_path):
    checkpoints, state = Checkpoints(tmp_path), make_state(1, width=4000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot save in .*: File too large"):
            save_whole(checkpoints, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    reopened = Checkpoints(tmp_path)
    assert reopened.latest_step() is None
    save_whole(reopened, state)
    assert reopened.latest_step() == 1


def test_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        Checkpoints(tmp_path / "nothing", read_only=True)
