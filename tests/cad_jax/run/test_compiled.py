"""A step is traced once: what is kept computes the same, and what is damaged is made again."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.run import compiled
from cad_jax.run.compiled import KeptStep

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of traced programs alone: JAX would go on with its own for the tests that follow."""
    monkeypatch.setattr(compiled, "_folder", lambda: str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def step():
    """Makes a step as a new process would; beside it the names of those that had to be traced."""
    traced = []

    def make(name="a"):
        def traceable():
            traced.append(name)
            return jax.jit(score)

        return KeptStep(name, traceable), traced

    return make


def score(params, batch):
    return {"y": jnp.sin(batch["x"]) @ params["w"]}


def arguments(rows=3, dtype=np.float32):
    return {"w": jnp.eye(4, 2, dtype=dtype)}, {"x": jnp.asarray(np.resize(X, (rows, 4)), dtype)}


def test_what_was_traced_is_not_traced_again_and_gives_the_same_bits(folder, step):
    (first, traced), (second, _) = step(), step()
    want = jax.jit(score)(*arguments())["y"]
    for run in (first, first, second):
        np.testing.assert_array_equal(run(*arguments())["y"], want)
    assert traced == ["a"]
    assert len(list(folder.iterdir())) == 1


def test_whatever_the_step_depends_on_has_a_program_of_its_own(folder, step):
    for name, *of in (("a", 3), ("b", 3), ("a", 5), ("a", 3, jnp.bfloat16)):
        made, traced = step(name)
        made(*arguments(*of))
    assert traced == ["a", "b", "a", "a"]
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40], lambda _: b""])
def test_a_damaged_program_is_made_again(folder, step, damage):
    made, traced = step()
    want = made(*arguments())["y"]
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(step()[0](*arguments())["y"], want)
    assert traced == ["a", "a"]
    assert path.read_bytes() == whole


def test_where_nothing_can_be_kept_the_step_runs_and_says_so(folder, step, caplog):
    folder.write_text("no folder")
    made, traced = step()
    assert made(*arguments())["y"].shape == (3, 2)
    assert "the traced program is not kept" in caplog.text
    assert traced == ["a"]


def test_a_detector_is_loaded_without_what_builds_and_trains_models():
    code = "import sys, cad_jax.detector; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"flax", "optax", "orbax", "grain", "tensorflow_datasets", "pyarrow"}
    assert not heavy & set(loaded.stdout.split())
