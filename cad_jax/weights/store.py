"""Converted weights on disk: a folder with `weights.safetensors` and `weights.json`.

Owns that form: written whole or not at all, believed where the arrays' hash is the recorded one,
loaded into a tower that they fit. Knows nothing of publishers. Adapters are not in it: they stay
with whoever initialises them.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from cad_jax.arrays import content_hash, listed, shape_faults
from cad_jax.models.lora import is_adapter
from cad_jax.settings.structure import ConfigError, structure, unstructure
from cad_jax.types import Params
from cad_jax.weights.convert import TowerWeights
from cad_jax.weights.published import WeightsError, read_json
from cad_jax.weights.safetensors_files import open_arrays, write_arrays
from cad_jax.weights.tower_kind import TowerKind
from cad_jax.weights.towers import TOWER_KINDS, Tower, kind_of, published_name
from data_pipelines.records.atomic import atomic_folder, write_json

FORMAT = 2
ARRAYS, INFO = "weights.safetensors", "weights.json"
_AGAIN = "remove the folder and convert the weights again"


@dataclasses.dataclass(frozen=True)
class WeightsInfo:
    """What `weights.json` says of the arrays beside it.

    Attributes:
        kind: a name among `TOWER_KINDS`.
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
        WeightsError: something else is there, or weights that are damaged.
        OSError: it cannot be written.
    """
    info = _describe(weights, source_files)
    refuse_other_content(folder)
    if folder.exists() and any(folder.iterdir()):
        if verify_weights(folder) != info.sha256:
            raise WeightsError(f"{folder} holds other weights; choose another --output")
        return info
    with atomic_folder(folder) as partial:
        write_json({"format": FORMAT} | unstructure(info), partial / INFO)
        write_arrays(weights.params, partial / ARRAYS)
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
        raise WeightsError(f"{path} is of another format; {_AGAIN}")
    try:
        kind = {kind.name: kind for kind in TOWER_KINDS}[values["kind"]]
        architecture = structure(kind.config, values["architecture"])
        dtypes, files = tuple(values["dtypes"]), tuple(values["source_files"])
        return WeightsInfo(kind.name, architecture, dtypes, files, str(values["sha256"]))
    except (KeyError, TypeError, ConfigError) as error:
        raise WeightsError(f"{path} is damaged ({error}); {_AGAIN}") from None


def verify_weights(folder: pathlib.Path, wanted: Tower | None = None) -> str:
    """The hash of the arrays in a folder of converted weights, computed from what is there now.

    Args:
        folder: of converted weights.
        wanted: the tower they are for, to say in the error which files to get.

    Returns:
        SHA-256 as `WeightsInfo.sha256`, 64 hexadecimal digits.

    Raises:
        WeightsError: no converted weights, damaged ones, or arrays of another hash than recorded.
    """
    info = read_weights_info(folder, wanted)
    found = content_hash(dict(_read_arrays(folder)))
    _refuse_other_hash(folder, found, info.sha256)
    return found


def load_tower(
    folder: pathlib.Path,
    config: Tower,
    target: Mapping[str, jax.ShapeDtypeStruct],
    *,
    sha256: str = "",
) -> Params:
    """Parameters of one tower, straight to where they live, after their hash was recomputed.

    CLIP's positions are resized where the tower takes images of another size.

    Args:
        folder: converted weights.
        config: the tower's configuration.
        target: the tower's parameters by name, relative to the tower
            (`blocks/0/attention/query/kernel`): shape, dtype and sharding of what is returned; no
            sharding is this process's first device.
        sha256: the hash they must have; empty for the one that was recorded beside them.

    Returns:
        All of `target` but the adapters, which no published weights have.

    Raises:
        WeightsError: no such weights, weights of another architecture or hash, or parameters that
            are missing, extra or of another shape; up to five are named.
    """
    info = read_weights_info(folder, config)
    _refuse_other_tower(folder, info.architecture, config)
    arrays = dict(_read_arrays(folder))
    _refuse_other_hash(folder, content_hash(arrays), sha256 or info.sha256)

    wanted = {name: leaf for name, leaf in target.items() if not is_adapter(name)}
    arrays |= _resized(arrays, wanted, kind_of(config))
    shapes = ({n: tuple(a.shape) for n, a in tree.items()} for tree in (arrays, wanted))
    if faults := shape_faults(*shapes):
        raise WeightsError(f"{folder} does not fit the tower: {listed([*faults.values()])}")
    return {name: _placed(arrays[name], leaf) for name, leaf in wanted.items()}


def _describe(weights: TowerWeights, source_files: tuple[str, ...]) -> WeightsInfo:
    dtypes = tuple(sorted({str(array.dtype) for array in weights.params.values()}))
    sha256 = content_hash(weights.params)
    return WeightsInfo(kind_of(weights.config).name, weights.config, dtypes, source_files, sha256)


def _read_arrays(folder: pathlib.Path) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in the order of their names, each read when it is its turn."""
    try:
        for name, read in sorted(open_arrays(folder / ARRAYS).items()):
            yield name, read()
    except WeightsError as error:
        raise WeightsError(f"{error}; {_AGAIN}") from None


def _refuse_other_hash(folder: pathlib.Path, found: str, expected: str) -> None:
    if found != expected:
        raise WeightsError(
            f"{folder} holds weights {found[:12]}, not {expected[:12]}: changed or damaged; bring "
            f"the old ones back, or {_AGAIN}"
        )


def _refuse_other_tower(folder: pathlib.Path, saved: Tower, config: Tower) -> None:
    if type(saved) is not type(config):
        raise WeightsError(f"{folder} is of a {type(saved).__name__}, not {type(config).__name__}")
    have, want = dataclasses.asdict(saved), dataclasses.asdict(config)
    free = kind_of(config).free
    if changed := [name for name in want if name not in free and have[name] != want[name]]:
        parts = [f"{name} {have[name]!r}, not {want[name]!r}" for name in changed]
        raise WeightsError(f"{folder} is of another tower: {listed(parts)}")


def _resized(
    arrays: Mapping[str, np.ndarray],
    wanted: Mapping[str, jax.ShapeDtypeStruct],
    kind: TowerKind,
) -> dict[str, np.ndarray]:
    """Those of the kind's resizable arrays that are there but of another length."""
    resized = {}
    for name in kind.resize.keys() & arrays.keys() & wanted.keys():
        old, new = arrays[name].shape, wanted[name].shape
        if old != new and old[1:] == new[1:]:
            resized[name] = kind.resize[name](arrays[name], new[0])
    return resized


def _placed(array: np.ndarray, leaf: jax.ShapeDtypeStruct) -> jax.Array:
    """The array in the dtype and sharding of `leaf`; every process holds it and gives its part."""
    array = array.astype(leaf.dtype, copy=False)
    sharding = leaf.sharding or SingleDeviceSharding(jax.local_devices()[0])
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
