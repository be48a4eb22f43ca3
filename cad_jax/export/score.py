"""Runs the exported detector in this folder; needs jax, numpy and safetensors, nothing else.

    python score.py

computes the scores of `example.safetensors` and says how far they are from those stored with it.
"""

import hashlib
import json
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from jax import export
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent

Arrays = dict[str, np.ndarray]


def load(folder: pathlib.Path = HERE) -> Callable[[Arrays], Arrays]:
    """The function from inputs to scores; `detector.json` states the names, shapes and dtypes.

    Raises:
        ValueError: a file is not the one that was exported.
    """
    for name, expected in json.loads((folder / "manifest.json").read_text())["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise ValueError(f"{folder / name} is damaged: export the detector again")
    program = export.deserialize(bytearray((folder / "detector.jax_export").read_bytes()))
    params, step = load_file(folder / "parameters.safetensors"), jax.jit(program.call)
    return lambda inputs: jax.device_get(step(params, inputs))


def largest_difference(folder: pathlib.Path = HERE) -> float:
    """Between the example's scores computed here and those stored; missing ones must agree.

    Raises:
        ValueError: a file is not the one that was exported.
    """
    example = load_file(folder / "example.safetensors")
    inputs, expected = (
        {name.removeprefix(kind): array for name, array in example.items() if name.startswith(kind)}
        for kind in ("inputs/", "scores/")
    )
    scores = load(folder)(inputs)
    for name, stored in expected.items():
        if (np.isnan(scores[name]) != np.isnan(stored)).any():
            return float("inf")
    return max(float(np.nanmax(np.abs(scores[name] - expected[name]))) for name in expected)


if __name__ == "__main__":
    print(f"largest difference from the stored scores: {largest_difference():.1e}")
