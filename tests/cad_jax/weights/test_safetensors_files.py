"""Hugging Face folders: one file or shards, whole or refused in one line."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from cad_jax.weights.published import WeightsError
from cad_jax.weights.safetensors_files import read_safetensors

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.arange(3, dtype=np.float16),
    "c": np.arange(4, dtype=ml_dtypes.bfloat16),
}


def write_shards(folder, weight_map):
    for shard in set(weight_map.values()):
        arrays = {name: ARRAYS[name] for name, home in weight_map.items() if home == shard}
        save_file(arrays, folder / shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_one_file(tmp_path):
    save_file(ARRAYS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    published = read_safetensors(tmp_path / "model.safetensors")
    assert published.settings == {"model_type": "clip"}
    assert set(published.tensors) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert published.tensors[name]().dtype == array.dtype
        np.testing.assert_array_equal(published.tensors[name](), array)


def test_shards_are_one_model(tmp_path):
    index = write_shards(
        tmp_path, {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}
    )
    published = read_safetensors(index)
    assert [file.name for file in published.files] == ["1.safetensors", "2.safetensors"]
    assert published.settings == {}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(published.tensors[name](), array)


def test_a_shard_that_is_not_there_or_lacks_an_array(tmp_path):
    index = write_shards(tmp_path, {"a": "1.safetensors", "b": "2.safetensors"})
    (tmp_path / "2.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no such file: .*2\.safetensors"):
        read_safetensors(index)
    save_file({"other": ARRAYS["b"]}, tmp_path / "2.safetensors")
    with pytest.raises(WeightsError, match=r"2\.safetensors lacks b"):
        read_safetensors(index)


@pytest.mark.parametrize("shard", ["../1.safetensors", "/etc/passwd", "a/b"])
def test_a_shard_lies_beside_its_index(shard, tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(WeightsError, match=f"names {shard!r}, which is no file beside it"):
        read_safetensors(index)


@pytest.mark.parametrize(
    "index", ["[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "{", "[" * 9999]
)
def test_an_index_that_is_none(index, tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(index)
    with pytest.raises(WeightsError, match=r"has no weight_map|is no JSON object"):
        read_safetensors(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 something else",
        (2**60).to_bytes(8, "little") + b"{}",
        (16).to_bytes(8, "little") + b'{"a": 1}        ',
    ],
    ids=["empty", "other", "endless header", "no tensors"],
)
def test_what_is_no_safetensors_file(data, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is no complete safetensors file"):
        read_safetensors(path)


def test_a_file_cut_short(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(ARRAYS, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="is no complete safetensors file"):
        read_safetensors(path)
