"""Safetensors files: writes one; reads one, or a Hugging Face folder's shards, and its settings.

Knows nothing of what the arrays mean.
"""

import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes  # noqa: F401  # registers bfloat16, in which safetensors returns such arrays
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cad_jax.weights.published import PublishedWeights, WeightsError, read_json

CONFIG = "config.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"


def read_safetensors(path: pathlib.Path) -> PublishedWeights:
    """The arrays of one file, or of all shards that an index (`*.index.json`) lists.

    Raises:
        WeightsError: a file is not there, damaged or cut short, or a shard lacks an array.
    """
    if path.suffix == ".json":
        return _read_shards(path)
    return PublishedWeights(path, (path,), open_arrays(path), settings_beside(path))


def open_arrays(path: pathlib.Path) -> dict[str, Callable[[], np.ndarray]]:
    """The arrays of one file: name -> function that reads it.

    Raises:
        WeightsError: the file is not there, or it is damaged or cut short; so does each function.
    """
    try:
        # The header is checked against the file's length here; arrays are read one by one.
        handle = safe_open(path, framework="numpy")
        return {name: functools.partial(_read, path, handle, name) for name in handle.keys()}  # noqa: SIM118
    except OSError:
        raise WeightsError(f"no such file: {path}") from None
    except SafetensorError as error:
        raise WeightsError(f"{path} is no complete safetensors file: {error}") from None


def write_arrays(arrays: Mapping[str, np.ndarray], path: pathlib.Path) -> None:
    """Writes one file, which whoever may read its folder's other files may read.

    Raises:
        OSError: it cannot be written.
    """
    # safetensors writes the memory as it lies, that of a transposed view too.
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    path.touch()  # with the usual rights: safetensors' own are the owner's alone
    mode = path.stat().st_mode
    try:
        save_file(dense, path)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from None
    path.chmod(mode)


def settings_beside(path: pathlib.Path) -> dict[str, Any]:
    """What the file's folder says: Hugging Face's `config.json`, and under `open_clip` that of it.

    Nothing where there is neither.
    """
    config, open_clip = path.parent / CONFIG, path.parent / OPEN_CLIP_CONFIG
    settings = read_json(config) if config.exists() else {}
    return settings | ({"open_clip": read_json(open_clip)} if open_clip.exists() else {})


def _read_shards(index: pathlib.Path) -> PublishedWeights:
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise WeightsError(f"{index} has no weight_map of names to files")
    # A shard lies beside its index: anything else could point anywhere on the disk.
    if outside := [shard for shard in shards.values() if pathlib.Path(shard).name != shard]:
        raise WeightsError(f"{index} names {outside[0]!r}, which is no file beside it")
    files = {shard: open_arrays(index.parent / shard) for shard in sorted(set(shards.values()))}
    if lacking := [name for name, shard in shards.items() if name not in files[shard]]:
        raise WeightsError(f"{index.parent / shards[lacking[0]]} lacks {lacking[0]}")
    tensors = {name: files[shard][name] for name, shard in shards.items()}
    return PublishedWeights(
        index, tuple(index.parent / s for s in files), tensors, settings_beside(index)
    )


def _read(path: pathlib.Path, handle: Any, name: str) -> np.ndarray:
    try:
        return handle.get_tensor(name)
    except (SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: cannot read {name}: {error}") from None
