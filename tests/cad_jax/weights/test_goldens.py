"""Our towers compute what transformers computes: saved once, and live where torch is there."""

import pathlib
import runpy

import numpy as np
import pytest

from cad_jax.lab.parity import tower_outputs
from cad_jax.weights.store import write_tower

PARITY = "parity: pip install cad-jax[parity]"
FOLDER = pathlib.Path(__file__).parent


@pytest.mark.parametrize("kind", ["clip", "whisper"])
def test_equals_what_transformers_computed(kind, golden, converted, tmp_path):
    model, weights = golden(kind), converted(kind)
    write_tower(weights, (), tmp_path / "tower")
    ours = tower_outputs(tmp_path / "tower", weights.config, model.inputs)
    assert set(ours) == set(model.outputs)
    for name, theirs in model.outputs.items():
        np.testing.assert_allclose(ours[name], theirs, atol=2e-5)


def test_every_part_of_the_weights_matters(golden, converted, tmp_path):
    """Goldens with zeros or ones would hide a mistake."""
    for kind in ("clip", "whisper"):
        weights = converted(kind)
        for name, array in weights.params.items():
            assert np.std(array) > 0.02, name
        assert all(np.std(value) > 0.5 for value in golden(kind).outputs.values())


def test_the_goldens_can_be_made_again(golden, tmp_path):
    pytest.importorskip("torch", reason=PARITY)
    pytest.importorskip("transformers", reason=PARITY)
    runpy.run_path(str(FOLDER / "make_goldens.py"))["main"](tmp_path)
    for kind in ("clip", "whisper"):
        saved = golden(kind)
        with np.load(tmp_path / f"{kind}.npz") as made:
            for name, array in saved.weights.items():
                np.testing.assert_array_equal(made[f"weights/{name}"], array)
            for name, array in saved.outputs.items():
                np.testing.assert_allclose(made[f"outputs/{name}"], array, atol=1e-5)
