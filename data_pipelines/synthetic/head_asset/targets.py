"""Shape targets of the asset's mesh: facial expressions, macro shapes, sliders; their packing."""

import pathlib
import re

import numpy as np

from data_pipelines.synthetic.head_asset.makehuman import DATA, UNITS, Wheel
from data_pipelines.synthetic.head_asset.mesh import Mesh

STEP = 0.005  # cm; quantisation of all displacements
_SEXES, _AGES = ("female", "male"), ("young", "old")
_ORIGINS = ("african", "asian", "caucasian")
_BUILDS = (
    "averagemuscle-averageweight", "averagemuscle-minweight", "averagemuscle-maxweight",
    "maxmuscle-averageweight",
)  # fmt: skip
_SLIDER_FOLDERS = (
    "head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck",
)  # fmt: skip
_UNUSED_SLIDERS = re.compile(
    "head-trans|head-angle|head-age|neck-trans|measure-|mouth-trans-(in|out)|nose-trans-(in|out)"
    "|neck-back|eye-trans|ear-shape-triangle|mouth-dimples"
)


def read_targets(wheel: Wheel, mesh: Mesh, lids: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Kind -> name -> [v 3] displacement in cm."""

    def displacement(name: str, anchored: bool = False) -> np.ndarray:
        delta = wheel.target(name)
        # Whole-body targets also change the height; the eyes are to stay where they are.
        return 10 * mesh.follow(delta - delta[lids].mean(axis=0) if anchored else delta)

    units = sorted(n for n in wheel.names if n.startswith(UNITS) and n.endswith(".target"))
    expressions = {pathlib.PurePath(n).stem: displacement(n) for n in units}
    macros = {}
    for sex in _SEXES:
        for age in _AGES:
            names = [f"{origin}-{sex}-{age}" for origin in _ORIGINS]
            names += [f"universal-{sex}-{age}-{build}" for build in _BUILDS]
            for name in names:
                file = f"{DATA}targets/macrodetails/{name}.target.gz"
                macros[name] = displacement(file, anchored=True)
    return {"expression": expressions, "macro": macros, "slider": _sliders(wheel, displacement)}


def _sliders(wheel: Wheel, displacement) -> dict[str, np.ndarray]:
    """Local targets; those for the left and the right side become one."""
    files: dict[str, list[str]] = {}
    for folder in _SLIDER_FOLDERS:
        for file in wheel.names:
            if not (file.startswith(f"{DATA}targets/{folder}/") and file.endswith(".target.gz")):
                continue
            name = pathlib.PurePath(file).name.removesuffix(".target.gz")
            if not _UNUSED_SLIDERS.search(name):
                files.setdefault(re.sub("^[lr]-", "", name), []).append(file)
    both = {
        name: np.sum([displacement(file) for file in sorted(files[name])], axis=0)
        for name in sorted(files)
    }
    return {name: delta for name, delta in both.items() if np.abs(delta).max() > 0.03}


def pack(kind: str, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sparse, zig-zag coded 16-bit steps in two byte planes, which deflate well."""
    steps = [np.round(delta / STEP).astype(np.int32) for delta in targets.values()]
    moved = [np.flatnonzero((np.abs(step) > 1).any(axis=1)) for step in steps]
    values = np.concatenate([step[rows].ravel() for step, rows in zip(steps, moved, strict=True)])
    coded = (values << 1 ^ values >> 31).astype(np.uint16)
    gaps = [np.diff(rows, prepend=-1) - 1 for rows in moved]
    return {
        f"{kind}_names": np.array(list(targets)),
        f"{kind}_counts": np.array([len(rows) for rows in moved], np.uint16),
        f"{kind}_gaps": np.concatenate(gaps).astype(np.uint16),
        f"{kind}_low": (coded & 255).astype(np.uint8),
        f"{kind}_high": (coded >> 8).astype(np.uint8),
    }
