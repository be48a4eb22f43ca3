"""How a run's clips were made from files, which new files must follow."""

import json
import pathlib

from cad_jax.settings.structure import structure
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.metadata import PREPARATION_FILE


def run_preparation(workdir: pathlib.Path, made: PrepareSettings) -> PrepareSettings:
    """What the run kept of its set.

    Args:
        workdir: the run's.
        made: what stands for it where the set was not prepared from files, see
            `data.made_preparation`.

    Raises:
        UserError: what it kept is no such thing.
    """
    path = workdir / PREPARATION_FILE
    if not path.exists():
        return made
    try:
        values = json.loads(path.read_bytes())["settings"]
        return structure(PrepareSettings, values, str(path))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} does not say how clips are prepared; bring it back from the prepared set"
        ) from error
