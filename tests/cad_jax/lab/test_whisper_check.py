"""The comparison on real sound tells rounding from mistakes. Needs torch; real weights do not."""

import dataclasses

import numpy as np
import pytest

from cad_jax.lab import whisper_check
from cad_jax.lab.whisper_check import measure_real_whisper
from cad_jax.models.whisper import sinusoids

POSITIONS = "encoder/position_encodings/encodings"


@pytest.fixture
def model_bin(ctranslate2_whisper, make_ctranslate2, tmp_path):
    pytest.importorskip("torch", reason="parity: pip install cad-jax[parity]")
    pytest.importorskip("transformers", reason="parity: pip install cad-jax[parity]")
    variables = ctranslate2_whisper | {POSITIONS: sinusoids(1500, 32)}
    half = {
        name: value.astype(np.float16) if value.dtype == np.float32 else value
        for name, value in variables.items()
    }
    (tmp_path / "model.bin").write_bytes(make_ctranslate2(half))
    return tmp_path / "model.bin"


def hum(seconds=0.5):
    time = np.arange(int(16_000 * seconds) + 7) / 16_000
    return (0.2 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)


def test_only_rounding_tells_the_two_apart(model_bin):
    parity = measure_real_whisper(model_bin, hum())
    assert parity.features < 1e-4
    assert parity.encoder < 5 * parity.reference
    assert 0 < parity.reference < 1e-4
    assert parity.positions > parity.encoder  # half precision shows
    assert parity.largest > 1


def test_a_mistake_in_our_names_is_seen(model_bin, monkeypatch):
    def swapped(published):
        weights = convert(published)
        up = [name for name in weights.params if name.endswith("0/attention/query/kernel")]
        params = weights.params | {name: weights.params[name].T for name in up}
        return dataclasses.replace(weights, params=params)

    convert = whisper_check.convert
    monkeypatch.setattr(whisper_check, "convert", swapped)
    parity = measure_real_whisper(model_bin, hum())
    assert parity.encoder > 1000 * parity.reference
