"""Our towers compute what their references compute: saved once, and live where torch is there."""

import dataclasses
import pathlib
import runpy

import numpy as np
import pytest

from cad_jax.lab.parity import tower_outputs
from cad_jax.weights.store import write_tower

PARITY = "parity: pip install cad-jax[parity]"
FOLDER = pathlib.Path(__file__).parent


@pytest.mark.parametrize("kind", ["clip", "whisper", "lips"])
def test_equals_what_the_reference_computed(kind, golden, converted, tmp_path):
    model, weights = golden(kind), converted(kind)
    write_tower(weights, (), tmp_path / "tower")
    # What is published of lips does not say the pictures' size.
    size = {"image_size": model.inputs.shape[2]} if kind == "lips" else {}
    config = dataclasses.replace(weights.config, **size)
    ours = tower_outputs(tmp_path / "tower", config, model.inputs)
    assert set(ours) == set(model.outputs)
    for name, theirs in model.outputs.items():
        np.testing.assert_allclose(ours[name], theirs, atol=2e-5)


def test_every_part_of_the_weights_matters(golden, converted, tmp_path):
    """Goldens with zeros or ones would hide a mistake."""
    for kind in ("clip", "whisper", "lips"):
        weights = converted(kind)
        for name, array in weights.params.items():
            few = array.size < 16  # of a narrow trunk; their deviation says little
            assert not np.isin(array, (0, 1)).any() if few else np.std(array) > 0.02, name
        assert all(np.std(value) > 0.5 for value in golden(kind).outputs.values())


@pytest.mark.parametrize(
    ("kind", "packages"),
    [("clip", ()), ("whisper", ()), ("lips", ("typeguard", "espnet2", "s3prl"))],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # ESPnet's
def test_the_goldens_can_be_made_again(kind, packages, golden, tmp_path):
    for package in ("torch", "transformers", *packages):
        pytest.importorskip(package, reason=PARITY)
    runpy.run_path(str(FOLDER / "make_goldens.py"))["main"](tmp_path, [kind])
    saved = golden(kind)
    with np.load(tmp_path / f"{kind}.npz") as made:
        for name, array in saved.weights.items():
            np.testing.assert_array_equal(made[f"weights/{name}"], array)
        for name, array in saved.outputs.items():
            np.testing.assert_allclose(made[f"outputs/{name}"], array, atol=1e-5)
