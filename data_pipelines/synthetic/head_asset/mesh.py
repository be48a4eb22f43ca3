"""The asset's mesh while it grows, and what is computed on it: normals, rings, openness.

Shape letters: v vertices of the asset, b of the base mesh, f triangles.
"""

import numba
import numpy as np
from scipy.spatial import KDTree

from data_pipelines.synthetic.head_asset.makehuman import Wheel, to_cm


class Mesh:
    """The asset's mesh while it grows; every vertex follows some of the base mesh's."""

    def __init__(self) -> None:
        self.vertices: list[np.ndarray] = []
        self.parts: list[int] = []
        self.triangles: list[np.ndarray] = []
        self.triangle_parts: list[np.ndarray] = []
        self.sources: list[tuple[list[int], list[float]]] = []  # base vertices and weights
        self.index: dict[int, int] = {}  # base vertex -> vertex, where it was taken over as it is

    def take_over(self, wheel: Wheel, quads: np.ndarray, part: int, move=None) -> None:
        """Adds quads of the base mesh; vertices that are there already are shared."""
        triangles = _triangulate(quads, wheel.vertices)
        for base in np.unique(triangles):
            if base not in self.index:
                self.index[base] = len(self.vertices)
                point = wheel.vertices[base]
                self._append(to_cm(move(point) if move else point), part, [base], [1.0])
        self._append_triangles(np.vectorize(self.index.get)(triangles), part)

    def model(
        self, points: np.ndarray, triangles: np.ndarray, part: int, base: np.ndarray,
        followed: np.ndarray, reach: float, power: int,
    ) -> None:  # fmt: skip
        """Adds modelled geometry that follows the nearest four of some base vertices (cm)."""
        self._append_triangles(triangles + len(self.vertices), part)
        tree = KDTree(followed)
        for point in points:
            distance, nearest = tree.query(point, 4)
            weight = 1 / (distance + reach) ** power
            self._append(point, part, list(base[nearest]), list(weight / weight.sum()))

    def follow(self, base: np.ndarray) -> np.ndarray:
        """[v n] values of these vertices from [b n] values of the base mesh's."""
        rows = np.array([vertex for vertices, _ in self.sources for vertex in vertices])
        weights = np.array([weight for _, weights in self.sources for weight in weights])
        counts = [len(vertices) for vertices, _ in self.sources]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        return np.add.reduceat(base[rows] * weights[:, None], starts, axis=0)

    def _append_triangles(self, triangles: np.ndarray, part: int) -> None:
        self.triangles.append(triangles)
        self.triangle_parts.append(np.full(len(triangles), part))

    def _append(self, point: np.ndarray, part: int, base: list, weights: list) -> None:
        self.vertices.append(point)
        self.parts.append(part)
        self.sources.append((base, weights))


def _triangulate(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Two triangles a quad, split along its shorter diagonal."""
    a, b, c, d = quads.T
    first = np.linalg.norm(vertices[a] - vertices[c], axis=1)
    second = np.linalg.norm(vertices[b] - vertices[d], axis=1)
    along_ac = np.stack([a, b, c, a, c, d], axis=1)
    along_bd = np.stack([a, b, d, b, c, d], axis=1)
    return np.where((first <= second)[:, None], along_ac, along_bd).reshape(-1, 3)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(second - first, third - first))
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def rings_from(start: np.ndarray, triangles: np.ndarray, num_vertices: int) -> np.ndarray:
    """[v] mesh edges between each vertex and the nearest of `start`, up to nine."""
    rings = np.full(num_vertices, 99)
    rings[start] = 0
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    edges = np.concatenate([edges, edges[:, ::-1]])
    for ring in range(1, 10):
        reached = np.unique(edges[rings[edges[:, 0]] == ring - 1, 1])
        rings[reached[rings[reached] > ring]] = ring
    return rings


def openness(vertices: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[v] share of the light from everywhere that reaches each vertex."""
    directions = np.random.default_rng(0).normal(size=(48, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    first, second, third = (vertices[triangles[:, corner]] for corner in range(3))
    edges = np.concatenate([first, second - first, third - first], axis=1)
    return _cast_rays(
        vertices.astype(np.float32),
        normals.astype(np.float32),
        edges.astype(np.float32),
        directions.astype(np.float32),
        np.float32(8.0),
    )


@numba.njit(fastmath=True)
def _cast_rays(vertices, normals, triangles, directions, reach):
    """Cosine-weighted share of rays that leave each vertex freely (Moeller, Trumbore 1997)."""
    share = np.zeros(vertices.shape[0], np.float32)
    for v in range(vertices.shape[0]):
        hit, total = 0.0, 0.0
        for d in range(directions.shape[0]):
            dx, dy, dz = directions[d, 0], directions[d, 1], directions[d, 2]
            cosine = dx * normals[v, 0] + dy * normals[v, 1] + dz * normals[v, 2]
            if cosine <= 0.05:
                continue
            total += cosine
            ox = vertices[v, 0] + normals[v, 0] * 0.06
            oy = vertices[v, 1] + normals[v, 1] * 0.06
            oz = vertices[v, 2] + normals[v, 2] * 0.06
            for t in range(triangles.shape[0]):
                a = triangles[t]
                px, py, pz = dy * a[8] - dz * a[7], dz * a[6] - dx * a[8], dx * a[7] - dy * a[6]
                area = a[3] * px + a[4] * py + a[5] * pz
                if abs(area) < 1e-7:
                    continue
                tx, ty, tz = ox - a[0], oy - a[1], oz - a[2]
                u = (tx * px + ty * py + tz * pz) / area
                if u < 0 or u > 1:
                    continue
                qx, qy, qz = ty * a[5] - tz * a[4], tz * a[3] - tx * a[5], tx * a[4] - ty * a[3]
                w = (dx * qx + dy * qy + dz * qz) / area
                if w < 0 or u + w > 1:
                    continue
                distance = (a[6] * qx + a[7] * qy + a[8] * qz) / area
                if 0.02 < distance < reach:
                    hit += cosine
                    break
        share[v] = 1 - hit / max(total, 1e-6)
    return share
