"""Converted weights on disk: a folder with the parameters (Orbax) and `weights.json`.

Owns that form: written whole or not at all, loaded into a tower that it fits. Knows nothing of
publishers. Adapters are not in it: they stay with whoever initialises them.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding

from cad_jax.config import ConfigError, structure, unstructure
from cad_jax.models.config import ViTConfig, WhisperConfig
from cad_jax.models.functional import Params
from cad_jax.models.lora import is_adapter
from cad_jax.shapes import listed, shape_faults
from cad_jax.weights.architecture import Tower, published_name
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.positions import resize_positions
from cad_jax.weights.published import WeightsError, read_json
from data_pipelines.records.atomic import write_json

FORMAT = 1
PARAMETERS, INFO = "parameters", "weights.json"
POSITIONS = "position_embedding"

_CONFIGS: dict[str, type[Tower]] = {"clip": ViTConfig, "whisper": WhisperConfig}
# Images of another size have other positions; Whisper's are computed, as many as are needed.
_FREE = ("image_size", "max_tokens")


@dataclasses.dataclass(frozen=True)
class WeightsInfo:
    """What `weights.json` says of the parameters beside it.

    Attributes:
        kind: `clip` or `whisper`.
        architecture: the tower they belong to.
        dtypes: of the arrays.
        source_files: names of the files they came from.
        sha256: of names, shapes, dtypes and bytes, in the order of the names.
    """

    kind: str
    architecture: Tower
    dtypes: tuple[str, ...]
    source_files: tuple[str, ...]
    sha256: str


def write_tower(
    weights: TowerWeights, source_files: tuple[str, ...], folder: pathlib.Path
) -> WeightsInfo:
    """Writes a folder that appears whole or not at all; the same weights twice are one.

    Args:
        weights: what `convert` made.
        source_files: names of the files they came from.
        folder: to be made; its parents too.

    Raises:
        WeightsError: something else is there.
        OSError: it cannot be written.
    """
    info = _describe(weights, source_files)
    refuse_other_content(folder)
    if folder.exists() and any(folder.iterdir()):
        if read_weights_info(folder).sha256 != info.sha256:
            raise WeightsError(f"{folder} holds other weights; choose another --output")
        return info
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.absolute().with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(partial / PARAMETERS, weights.params)
            checkpointer.wait_until_finished()
        values = {"format": FORMAT} | dataclasses.asdict(info)
        values["architecture"] = unstructure(info.architecture)
        values["sizes"] = _sizes(partial / PARAMETERS)
        write_json(values, partial / INFO)
        os.replace(partial, folder)  # noqa: PTH105  # onto an empty folder too
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return info


def refuse_other_content(folder: pathlib.Path) -> None:
    """Refuses a place that holds something, unless that is converted weights.

    Raises:
        WeightsError: as described.
    """
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"{folder} is a file; choose another --output")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / INFO).exists():
        raise WeightsError(f"{folder} is not empty; choose another --output")


def read_weights_info(folder: pathlib.Path, wanted: Tower | None = None) -> WeightsInfo:
    """What a folder of converted weights holds.

    Args:
        folder: of converted weights.
        wanted: the tower they are for, to say in the error which files to get.

    Raises:
        WeightsError: it is none, damaged, or of another format.
    """
    path = folder / INFO
    if not path.is_file():
        what = published_name(wanted) if wanted else "the published files"
        raise WeightsError(
            f"no converted weights in {folder} (no {INFO}): get {what} and run python "
            f"scripts/convert_weights.py --source=DIR --output={folder}"
        )
    values = read_json(path)
    if values.pop("format", None) != FORMAT:
        raise WeightsError(f"{path} is of another format; convert the weights again")
    try:
        config = structure(_CONFIGS[values["kind"]], values["architecture"])
        return WeightsInfo(
            values["kind"],
            config,
            tuple(values["dtypes"]),
            tuple(values["source_files"]),
            values["sha256"],
        )
    except (KeyError, TypeError, ConfigError) as error:
        raise WeightsError(f"{path} is damaged ({error}); convert the weights again") from None


def load_tower(
    folder: pathlib.Path, config: Tower, target: Mapping[str, jax.ShapeDtypeStruct]
) -> Params:
    """Parameters of one tower, straight to where they live.

    CLIP's positions are resized where the tower takes images of another size.

    Args:
        folder: converted weights.
        config: the tower's configuration.
        target: the tower's parameters by name, relative to the tower
            (`blocks/0/attention/query/kernel`): shape, dtype and sharding of what is returned; no
            sharding is the first device.

    Returns:
        All of `target` but the adapters, which no published weights have.

    Raises:
        WeightsError: no such weights, weights of another architecture, or parameters that are
            missing, extra or of another shape; up to five are named.
    """
    info = read_weights_info(folder)
    _refuse_other_tower(folder, info.architecture, config)
    _refuse_incomplete(folder)
    wanted = {name: leaf for name, leaf in target.items() if not is_adapter(name)}
    path = folder.absolute() / PARAMETERS
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            saved = _saved_shapes(checkpointer, path)
            resized = _resized(saved, wanted)
            shapes = {name: leaf.shape for name, leaf in wanted.items()}
            if faults := shape_faults(saved | {n: shapes[n] for n in resized}, shapes):
                text = listed([*faults.values()])
                raise WeightsError(f"{folder} does not fit the tower: {text}")
            targets = {name: _placed(leaf) for name, leaf in wanted.items()}
            # As numpy, whole: they are small, and every process resizes them alike.
            whole = {n: jax.ShapeDtypeStruct(saved[n], np.float32) for n in resized}
            params = checkpointer.restore(path, targets | whole)
    except WeightsError:
        raise
    except Exception as error:  # orbax and tensorstore raise all kinds on damaged files
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} is damaged or incomplete: {reason}; convert the weights again"
        ) from None
    for name in resized:
        leaf = targets[name]
        array = resize_positions(params[name], leaf.shape[0]).astype(leaf.dtype)
        params[name] = jax.device_put(array, leaf.sharding)
    return params


def _describe(weights: TowerWeights, source_files: tuple[str, ...]) -> WeightsInfo:
    digest = hashlib.sha256()
    for name in sorted(weights.params):
        array = weights.params[name]
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    kind = next(kind for kind, cls in _CONFIGS.items() if isinstance(weights.config, cls))
    dtypes = tuple(sorted({str(array.dtype) for array in weights.params.values()}))
    return WeightsInfo(kind, weights.config, dtypes, source_files, digest.hexdigest())


def _refuse_other_tower(folder: pathlib.Path, saved: Tower, config: Tower) -> None:
    have, want = dataclasses.asdict(saved), dataclasses.asdict(config)
    if type(saved) is not type(config):
        raise WeightsError(f"{folder} is of a {type(saved).__name__}, not {type(config).__name__}")
    if changed := [n for n in want if n not in _FREE and have[n] != want[n]]:
        parts = [f"{name} {have[name]!r}, not {want[name]!r}" for name in changed]
        raise WeightsError(f"{folder} is of another tower: {listed(parts)}")


def _refuse_incomplete(folder: pathlib.Path) -> None:
    """Finds what is missing or cut short before Orbax does, which then closes noisily."""
    stated = read_json(folder / INFO).get("sizes")
    if stated != _sizes(folder / PARAMETERS):
        raise WeightsError(
            f"{folder / PARAMETERS} is damaged or incomplete: its files have other sizes than "
            "when they were written; convert the weights again"
        )


def _sizes(folder: pathlib.Path) -> dict[str, int]:
    """Bytes of every file below, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _saved_shapes(checkpointer: Any, path: pathlib.Path) -> dict[str, tuple[int, ...]]:
    tree = checkpointer.metadata(path).item_metadata.tree
    return {name: tuple(leaf.shape) for name, leaf in tree.items()}


def _resized(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The positions, if they are there but of another number."""
    if POSITIONS not in saved or POSITIONS not in wanted:
        return []
    shape = wanted[POSITIONS].shape
    return [POSITIONS] if saved[POSITIONS] != shape and saved[POSITIONS][1:] == shape[1:] else []


def _placed(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    sharding = leaf.sharding or SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
