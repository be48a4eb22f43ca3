"""What a run's log holds, read back: `metrics.jsonl`, which `writers` appends to."""

import json
import pathlib

import numpy as np
from jaxtyping import Float

from data_pipelines.errors import UserError

METRICS_FILE = "metrics.jsonl"

Curve = Float[np.ndarray, "n 2"]  # step and value


def read_history(workdir: pathlib.Path) -> dict[str, Curve]:
    """Every scalar by name, over the steps at which it was logged; where it is null, it is not.

    Raises:
        UserError: no such file, or a line of it is no log line.
    """
    path, found = workdir / METRICS_FILE, {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            step = float(row.pop("step"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}:{number} is no line of a log: {error}") from None
        for name, value in row.items():
            if isinstance(value, (int, float)):
                found.setdefault(name, []).append((step, float(value)))
    return {name: np.array(points) for name, points in found.items()}
