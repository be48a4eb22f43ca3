"""Towers of true shape agree with transformers' to rounding, and the table says how nearly."""

import pytest

from cad_jax.lab.parity import ParityRow, measure_parity, parity_table
from cad_jax.weights.towers import PRESETS

PARITY = "parity: pip install cad-jax[parity]"


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["clip_vit_b_16", "whisper_small"])
def test_true_shapes_agree(name):
    pytest.importorskip("torch", reason=PARITY)
    pytest.importorskip("transformers", reason=PARITY)
    exact, half = measure_parity(name, PRESETS[name])
    assert exact.ours < 1e-4
    assert half.ours < 1.5 * half.reference  # as far from float32 as torch's own bfloat16


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # ESPnet's
def test_lips_of_true_shape_agree():
    for package in ("torch", "typeguard", "espnet2", "s3prl"):
        pytest.importorskip(package, reason="pip install --no-deps espnet s3prl typeguard")
    exact, half = measure_parity("avhubert_base", PRESETS["avhubert_base"])
    assert exact.ours < 1e-4
    assert half.ours < 1.5 * half.reference


def test_the_table_shows_every_row():
    rows = [
        ParityRow("clip", "float32", 1e-5, 0.0, 14.0),
        ParityRow("clip", "bfloat16", 0.25, 0.2, 14.0),
    ]
    _, first, second = parity_table(rows)
    assert first.split() == ["clip", "float32", "1.0e-05", "14.0"]
    assert second.split() == ["clip", "bfloat16", "2.5e-01", "2.0e-01", "14.0"]
