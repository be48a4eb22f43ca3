"""Published weights into our names: every name accounted for, every array looked at.

Knows nothing of file formats (see `files`) or of the folder that is written (see `store`).
"""

import dataclasses

import ml_dtypes
import numpy as np

from cad_jax.models.whisper import sinusoids
from cad_jax.shapes import listed, shape_faults
from cad_jax.weights.architecture import Tower, infer_architecture, tower_model
from cad_jax.weights.layouts import LAYOUTS, Layout, Origin
from cad_jax.weights.published import PublishedWeights, WeightsError

DTYPES = tuple(map(np.dtype, (np.float32, np.float16, ml_dtypes.bfloat16)))

_SINUSOID_ERROR = 5e-4  # of angles up to 1500 rad in float32, as the publishers computed them


@dataclasses.dataclass(frozen=True)
class TowerWeights:
    """A tower's architecture, and its parameters in our names, in the dtypes they came in."""

    config: Tower
    params: dict[str, np.ndarray]


def convert(published: PublishedWeights) -> TowerWeights:
    """Reads the tower out of published weights.

    Raises:
        WeightsError: not one of the towers, or names are missing or unknown, or arrays have a
            wrong shape or dtype or hold what is no number; up to five are named.
    """
    layout = _layout_of(published)
    depth = layout.depth(published.tensors)
    origins = layout.origins(depth)
    faults = [
        f"missing {origin.name}"
        for origin in origins.values()
        if origin.name not in published.tensors
    ]
    faults += [f"unknown {name}" for name in layout.unknown(published.tensors, depth)]
    if not depth:
        faults.append("no block")
    _refuse(faults, published, layout)

    config = infer_architecture(published, layout, depth)
    wanted = {name: leaf.shape for name, leaf in tower_model(config).shapes.items()}
    params, faults = {}, []
    for name, origin in origins.items():
        array, fault = _read(published, origin)
        if fault:
            faults.append(fault)
        elif name in wanted:
            params[name] = array
        elif array.any():
            faults.append(f"{origin.name} has a part for {name}, which the tower has not")
    if layout.kind == "whisper":
        faults += _position_faults(published, layout, config.width)
    if not faults:
        faults = [*shape_faults({n: a.shape for n, a in params.items()}, wanted).values()]
    _refuse(faults, published, layout)
    return TowerWeights(config, params)


def _layout_of(published: PublishedWeights) -> Layout:
    for layout in LAYOUTS:
        if layout.positions in published.tensors:
            return layout
    looked_for = ", ".join(layout.positions for layout in LAYOUTS)
    raise WeightsError(
        f"{published.path} holds neither a CLIP vision tower (ViT) nor a Whisper encoder: none of "
        f"{looked_for}"
    )


def _read(published: PublishedWeights, origin: Origin) -> tuple[np.ndarray, str]:
    """The array in our form, and what is wrong with it."""
    theirs = published.tensors[origin.name]()
    if theirs.dtype not in DTYPES:
        return theirs, f"{origin.name} is {theirs.dtype}"
    if not np.isfinite(theirs).all():
        return theirs, f"{origin.name} holds infinite or undefined numbers"
    try:
        return origin.form.read(theirs), ""
    except ValueError:
        return theirs, f"{origin.name} has shape {theirs.shape}"


def _position_faults(published: PublishedWeights, layout: Layout, width: int) -> list[str]:
    """Whisper's positions are computed; what the file has must be the same."""
    positions = published.tensors[layout.positions]()
    if positions.dtype not in DTYPES or positions.ndim != 2 or positions.shape[1] != width:
        return [f"{layout.positions} is {positions.dtype} of shape {positions.shape}"]
    tolerance = _SINUSOID_ERROR + float(ml_dtypes.finfo(positions.dtype).eps)
    error = np.abs(positions.astype(np.float32) - sinusoids(len(positions), width)).max(initial=0)
    if not error <= tolerance:
        return [f"{layout.positions} are not Whisper's sinusoids"]
    return []


def _refuse(faults: list[str], published: PublishedWeights, layout: Layout) -> None:
    if faults:
        raise WeightsError(
            f"{published.path} is no {layout.kind} tower in {layout.publisher}'s layout that we "
            f"know: {listed(faults)}"
        )
