"""Where the bundle is that a name, a folder or a run stands for."""

import os
import pathlib

from cad_jax.bundle import DEFAULT
from cad_jax.bundle.files import INFO, BundleError
from cad_jax.run.files import CHECKPOINTS
from data_pipelines.errors import nearest
from data_pipelines.records.lock import held

MODELS = pathlib.Path(__file__).parent / "models"  # that come with the package, by name


def find_bundle(model: str | os.PathLike[str] = DEFAULT) -> pathlib.Path:
    """The folder of a bundle.

    A run's bundle is made when it is first asked for, of its best checkpoint, and kept in the run's
    folder; that takes minutes and needs the sets that it was trained on.

    Args:
        model: the name of one that comes with the package, a bundle's folder, or a run's.

    Raises:
        UserError: it is none of them, or the run's bundle cannot be made.
    """
    folder = pathlib.Path(model)
    if (MODELS / str(model) / INFO).is_file():
        return MODELS / str(model)
    if (folder / INFO).is_file():
        return folder
    if (folder / CHECKPOINTS).is_dir():
        return _of_run(folder)
    raise BundleError(f"{folder} is neither a bundle nor a run; {_known(folder.name)}")


def _of_run(workdir: pathlib.Path) -> pathlib.Path:
    # Here: bundles are read without what makes them.
    from cad_jax.bundle.make import write_bundle
    from cad_jax.run.checkpoint import Checkpoints

    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        step = checkpoints.best_step()
    finally:
        checkpoints.close()
    folder = workdir / "bundles" / str(step)
    folder.parent.mkdir(exist_ok=True)
    with held(folder.parent / ".lock"):
        if not (folder / INFO).is_file():
            write_bundle(workdir, folder)
    return folder


def _known(name: str) -> str:
    names = [path.name for path in MODELS.glob("*") if (path / INFO).is_file()]
    return nearest(name, names) if names else "no bundle comes with this package"
