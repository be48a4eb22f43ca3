"""Published weights into our names: every name accounted for, every array looked at.

Knows nothing of file formats (see `files`) or of the folder that is written (see `store`).
"""

import dataclasses

import numpy as np

from cad_jax.arrays import listed, shape_faults
from cad_jax.weights.architecture import infer_architecture
from cad_jax.weights.layouts import Layout, Origin
from cad_jax.weights.published import DTYPES, PublishedWeights, WeightsError
from cad_jax.weights.tower_kind import TowerKind
from cad_jax.weights.towers import TOWER_KINDS, Tower, tower_model


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
    kind, layout = _layout_of(published)
    depth = layout.depth(published.tensors)
    origins = layout.origins(depth)
    names = dict.fromkeys(name for origin in origins.values() for name in origin.names)
    faults = [f"missing {name}" for name in names if name not in published.tensors]
    faults += [f"unknown {name}" for name in layout.unknown(published.tensors, depth)]
    if not depth:
        faults.append("no block")
    _refuse(faults, published, kind, layout)

    config = infer_architecture(published, kind, layout, depth)
    wanted = {name: leaf.shape for name, leaf in tower_model(config).shapes.items()}
    params, faults = {}, []
    for name, origin in origins.items():
        array, fault = _read(published, origin)
        if fault:
            faults.append(fault)
        elif name in wanted:
            params[name] = array
        elif array.any():
            faults.append(f"{origin.names[0]} has a part for {name}, which the tower has not")
    if fault := kind.position_fault(published.tensors[layout.positions](), config):
        faults.append(f"{layout.positions} {fault}")
    if not faults:
        faults = [*shape_faults({n: a.shape for n, a in params.items()}, wanted).values()]
    _refuse(faults, published, kind, layout)
    return TowerWeights(config, params)


def _layout_of(published: PublishedWeights) -> tuple[TowerKind, Layout]:
    known = [(kind, layout) for kind in TOWER_KINDS for layout in kind.layouts]
    for kind, layout in known:
        if layout.positions in published.tensors:
            return kind, layout
    towers = " nor ".join(kind.title for kind in TOWER_KINDS)
    looked_for = ", ".join(layout.positions for _, layout in known)
    raise WeightsError(f"{published.path} holds neither {towers}: none of {looked_for}")


def _read(published: PublishedWeights, origin: Origin) -> tuple[np.ndarray, str]:
    """The array in our form, and what is wrong with those that it comes from."""
    for name in origin.names:
        theirs = published.tensors[name]()
        if theirs.dtype not in DTYPES:
            return theirs, f"{name} is {theirs.dtype}"
        if not np.isfinite(theirs).all():
            return theirs, f"{name} holds infinite or undefined numbers"
    name = origin.names[0]
    try:
        ours = origin.read(published.tensors)
    except ValueError:
        theirs = published.tensors[name]()
        return theirs, f"{name} has shape {theirs.shape}"
    return ours, "" if np.isfinite(ours).all() else f"{name} cannot be divided by its norm"


def _refuse(
    faults: list[str], published: PublishedWeights, kind: TowerKind, layout: Layout
) -> None:
    if faults:
        raise WeightsError(
            f"{published.path} is no {kind.name} tower in {layout.publisher}'s layout that we "
            f"know: {listed(faults)}"
        )
