"""Published weights as a file's reader hands them on: named arrays, read when asked for.

Owns the structure and the error. Knows nothing of file formats, names or towers.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from data_pipelines.errors import UserError

DTYPES = tuple(map(np.dtype, (np.float32, np.float16, ml_dtypes.bfloat16)))  # of parameters
LARGEST_JSON = 16 * 2**20  # bytes; an index of a thousand tensors takes a tenth of one MiB


class WeightsError(UserError):
    """Published or converted weights cannot be read, or are not what they should be."""


@dataclasses.dataclass(frozen=True)
class PublishedWeights:
    """Weights in their publisher's names.

    Attributes:
        path: what the user named.
        files: the files that hold the arrays.
        tensors: name -> function that reads the array; nothing is in memory before.
        settings: what the files say beside the arrays: `config.json`, OpenAI's `dims`; under
            `open_clip` what open_clip's own configuration says.
    """

    path: pathlib.Path
    files: tuple[pathlib.Path, ...]
    tensors: Mapping[str, Callable[[], np.ndarray]]
    settings: Mapping[str, Any]


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size.

    Raises:
        WeightsError: it is not there, too large, or no JSON object.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_JSON + 1)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    try:
        values = json.loads(text) if len(text) <= LARGEST_JSON else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise WeightsError(f"{path} is no JSON object of at most {LARGEST_JSON >> 20} MiB")
    return values
