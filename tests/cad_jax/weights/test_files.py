"""The right reader for whatever the user names."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from cad_jax.weights.files import open_published
from cad_jax.weights.published import WeightsError


def test_a_folders_best_file_is_taken(tmp_path, make_ctranslate2):
    (tmp_path / "model.bin").write_bytes(make_ctranslate2({"encoder/a": np.ones(2, np.float32)}))
    assert set(open_published(tmp_path).tensors) == {"encoder/a"}
    save_file({"b": np.ones(2, np.float32)}, tmp_path / "model.safetensors")
    assert set(open_published(tmp_path).tensors) == {"b"}
    assert set(open_published(tmp_path / "model.bin").tensors) == {"encoder/a"}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("nowhere", None, "no such file: .*nowhere"),
        ("", None, "no weights in .*: looked for model.safetensors"),
        ("clip.mp4", b"\0\0\0\x20ftypisom", "neither safetensors, nor torch's, nor CTranslate2's"),
        ("empty.bin", b"", "neither safetensors"),
        ("model.pt", b"PK\3\4 cut short", "torch"),
    ],
)
def test_what_cannot_be_read(name, data, message, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError, match=message) as caught:
        open_published(tmp_path / name)
    assert "\n" not in str(caught.value)
