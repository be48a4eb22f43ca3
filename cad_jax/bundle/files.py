"""A bundle on disk: `model.safetensors`, `bundle.json`, `MODEL_CARD.md` and their `manifest.json`.

Owns that form: written whole or not at all, believed where every file's hash is the recorded one.
A bundle is complete: it asks for no run, no set and no other weights. Loads no data, no evaluation.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from cad_jax.bundle.domain import Domain, Gaussian
from cad_jax.bundle.operating import Operating
from cad_jax.parallel.mesh import make_mesh, replicated
from cad_jax.run.appearance import HEARD, SEEN
from cad_jax.run.manifest import MANIFEST_FILE, DamageError, check_manifest, write_manifest
from cad_jax.settings.experiment import DataConfig, Experiment, InitConfig, MeshConfig
from cad_jax.settings.structure import ConfigError, structure, unstructure
from cad_jax.types import Params
from cad_jax.weights.published import WeightsError, read_json
from cad_jax.weights.safetensors_files import open_arrays, write_arrays
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.atomic import atomic_folder, atomic_writer, write_json
from data_pipelines.records.content import file_sha256

ARRAYS, INFO, CARD = "model.safetensors", "bundle.json", "MODEL_CARD.md"
FORMAT = 2
_DOMAIN = "domain/"  # in front of arrays that are no parameters


class BundleError(UserError):
    """A bundle is not there, damaged, or of another format."""


@dataclasses.dataclass(frozen=True)
class BundleInfo:
    """What `bundle.json` says.

    Attributes:
        format: of the folder.
        config: the experiment, without what only its own machine has.
        preparation: how files become clips.
        temperatures, thresholds, tails, genuine: of `Operating`.
        notice: what every answer has to say of the detector, one line.
    """

    format: int
    config: Experiment
    preparation: PrepareSettings
    temperatures: dict[str, float]
    thresholds: dict[str, tuple[tuple[float, float], ...]]
    tails: dict[str, float]
    genuine: dict[str, int]
    notice: str


class LoadedBundle(NamedTuple):
    """A detector that needs nothing besides.

    Attributes:
        folder: that it comes from.
        config: its experiment.
        mesh: where its parameters are.
        params: all of them, by name.
        settings: how files become clips.
        operating: how its answers are to be read.
        domain: what it knows.
        notice: what every answer has to say of the detector, one line.
        model_hash: sha256 of the manifest, which names the hash of every file.
    """

    folder: pathlib.Path
    config: Experiment
    mesh: Mesh
    params: Params
    settings: PrepareSettings
    operating: Operating
    domain: Domain
    notice: str
    model_hash: str


def save_bundle(
    folder: pathlib.Path,
    config: Experiment,
    params: Params,
    settings: PrepareSettings,
    operating: Operating,
    domain: Domain,
    notice: str,
    card: str,
) -> str:
    """Writes a folder that appears whole or not at all.

    Args:
        folder: to be made.
        config: of the run.
        params: all of them, by name; kept in the dtypes that they have.
        settings: how the run's clips were made from files.
        operating, domain: as fitted.
        notice: one line, as `BundleInfo.notice`.
        card: the model card, Markdown.

    Returns:
        The `model_hash`.

    Raises:
        BundleError: something is there already.
        OSError: it cannot be written.
    """
    refuse_occupied(folder)
    info = BundleInfo(
        FORMAT,
        _portable(config),
        settings,
        operating.temperatures,
        operating.thresholds,
        operating.tails,
        operating.genuine,
        notice,
    )
    arrays = {name: np.asarray(array) for name, array in params.items()}
    with atomic_folder(folder) as partial:
        write_arrays(arrays | _domain_arrays(domain), partial / ARRAYS)
        write_json(unstructure(info), partial / INFO)
        with atomic_writer(partial / CARD) as write:
            write(card.encode())
        write_manifest(partial, None)
    return file_sha256(folder / MANIFEST_FILE)


def read_bundle(folder: pathlib.Path, mesh: Mesh | None = None) -> LoadedBundle:
    """The detector of a bundle, after every hash was computed again.

    Args:
        folder: of a bundle.
        mesh: where the parameters go; all devices by default, each with a copy.

    Raises:
        BundleError: no bundle there, a damaged one, or one of another format.
    """
    if not (folder / INFO).is_file():
        raise BundleError(f"no bundle in {folder}: it has no {INFO}")
    try:
        check_manifest(folder)
        info, arrays = _read_info(folder / INFO), _read_arrays(folder / ARRAYS)
    except (DamageError, WeightsError) as error:
        raise BundleError(f"{error}; bring this bundle back, or make it again") from None
    mesh = mesh or make_mesh()
    params = {name: x for name, x in arrays.items() if not name.startswith(_DOMAIN)}
    return LoadedBundle(
        folder,
        info.config,
        mesh,
        jax.device_put(params, replicated(mesh)),
        info.preparation,
        Operating(info.temperatures, info.thresholds, info.tails, info.genuine),
        _domain(folder, arrays),
        info.notice,
        file_sha256(folder / MANIFEST_FILE),
    )


def refuse_occupied(folder: pathlib.Path) -> None:
    """Refuses a place that holds something.

    Raises:
        BundleError: as described.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BundleError(f"{folder} is there already; remove it, or choose another --output")


def _portable(config: Experiment) -> Experiment:
    """Without paths, converted weights and devices of the machine that it was trained on."""
    data = DataConfig(clip=config.data.clip)
    return dataclasses.replace(config, data=data, init=InitConfig(), mesh=MeshConfig())


def _read_info(path: pathlib.Path) -> BundleInfo:
    values = read_json(path)
    if values.get("format") != FORMAT:
        found = values.get("format")
        again = "remove its folder and make it again"
        raise BundleError(f"{path} is of format {found!r}, this program's is {FORMAT}: {again}")
    try:
        return structure(BundleInfo, values, str(path))
    except ConfigError as error:  # of another version of this program
        raise BundleError(f"this program cannot read that bundle: {error}") from None


def _read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    return {name: read() for name, read in open_arrays(path).items()}


def _domain_arrays(domain: Domain) -> dict[str, np.ndarray]:
    return {
        f"{_DOMAIN}{part.name}/{field.name}": getattr(getattr(domain, part.name), field.name)
        for part in dataclasses.fields(Domain)
        for field in dataclasses.fields(Gaussian)
    }


def _domain(folder: pathlib.Path, arrays: dict[str, np.ndarray]) -> Domain:
    def part(name: str) -> Gaussian:
        return Gaussian(
            *(arrays[f"{_DOMAIN}{name}/{x.name}"] for x in dataclasses.fields(Gaussian))
        )

    domain = Domain(*(part(x.name) for x in dataclasses.fields(Domain)))
    if (len(domain.video.mean), len(domain.audio.mean)) != (SEEN, HEARD):
        raise BundleError(
            f"{folder} tells clips apart by what this program does not see: make it again"
        )
    return domain
