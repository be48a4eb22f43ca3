"""The head's geometry: mesh, shape targets, facial expressions and landmarks, from `head.npz`.

Owns the asset's layout and units: centimetres, +x is the subject's left, +y up, +z forwards.
Knows nothing of persons, colours or pictures. Shape letters: v vertices, f triangles, u units.
`scripts/build_head_asset.py` makes the file; LICENSE-DATA.md states where its data come from (CC0).
"""

import dataclasses
import functools
import pathlib

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32

SKIN, GUM, TEETH, EYE_LEFT, EYE_RIGHT, CAVITY, SOCKET, TONGUE, HAIR = range(9)  # parts of the mesh

TEXTURE_HEIGHT, TEXTURE_WIDTH = 448, 768  # pixels of the cylindrical skin texture
_TEXTURE_TOP, _TEXTURE_BOTTOM = 15.0, -20.0  # cm
_CYLINDER_Z = -1.0  # cm, the cylinder's axis

HIDDEN_EYE = 10.0  # added to an eye's first texture coordinate on the half that looks inward


@dataclasses.dataclass(frozen=True)
class Targets:
    """Named displacements of the vertices, e.g. one per facial expression.

    Attributes:
        names: name -> index.
        deltas: [u v 3] centimetres at weight 1.
    """

    names: dict[str, int]
    deltas: Float32[np.ndarray, "u v 3"]

    def __getitem__(self, name: str) -> Float32[np.ndarray, "v 3"]:
        return self.deltas[self.names[name]]


@dataclasses.dataclass(frozen=True)
class Head:
    """The mean head and all it can become.

    Attributes:
        vertices: the mean head.
        triangles: vertex numbers, counter-clockwise seen from outside.
        part: what each vertex belongs to (SKIN ... TONGUE).
        occlusion: share of the ambient light that reaches each vertex.
        head_weight: 1 where a vertex turns with the head, 0 where it stays with the shoulders.
        lip_ring: mesh rings between each vertex and the line between the lips, at most 15.
        landmarks: vertices of the 68 iBUG landmarks.
        uv: texture coordinates in pixels; on eyes (x, y) over the eye's radius.
        expressions: facial units by their ARKit names, and `tongueUp`.
        macros: sex, age, origin and build, as whole heads relative to the mean one.
        sliders: local shape targets.
    """

    vertices: Float32[np.ndarray, "v 3"]
    triangles: Int32[np.ndarray, "f 3"]
    part: Int32[np.ndarray, " v"]
    occlusion: Float32[np.ndarray, " v"]
    head_weight: Float32[np.ndarray, " v"]
    lip_ring: Int32[np.ndarray, " v"]
    landmarks: Int[np.ndarray, " 68"]
    uv: Float32[np.ndarray, "v 2"]
    expressions: Targets
    macros: Targets
    sliders: Targets

    @property
    def is_skin(self) -> Bool[np.ndarray, " v"]:
        return self.part == SKIN

    @property
    def landmark_uv(self) -> Float32[np.ndarray, "68 2"]:
        """The landmarks' places in the texture, pixels."""
        return cylinder_uv(self.vertices[self.landmarks])


def cylinder_uv(points: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 2"]:
    """Texture pixels of points under the cylindrical map; the face is in the middle."""
    angle = np.arctan2(points[:, 0], points[:, 2] - _CYLINDER_Z)
    column = (angle / (2 * np.pi) + 0.5) * TEXTURE_WIDTH
    row = (_TEXTURE_TOP - points[:, 1]) / (_TEXTURE_TOP - _TEXTURE_BOTTOM) * TEXTURE_HEIGHT
    return np.stack([column, row], axis=1).astype(np.float32)


@functools.cache
def load_head() -> Head:
    """Reads the asset, 0.1 s once per process; the arrays are shared, so leave them as they are."""
    with np.load(pathlib.Path(__file__).with_name("head.npz"), allow_pickle=False) as stored:
        asset = dict(stored)
    vertices = asset["vertices"]
    part = asset["vertex_part"].astype(np.int32)
    expressions = _unpack(asset, "expression", len(vertices))
    return Head(
        vertices=vertices,
        triangles=asset["triangles"].astype(np.int32),
        part=part,
        occlusion=asset["occlusion"].astype(np.float32) / 255,
        head_weight=asset["head_weight"].astype(np.float32) / 255,
        lip_ring=asset["lip_ring"].astype(np.int32),
        landmarks=asset["landmarks"].astype(np.int64),
        uv=_texture_coordinates(vertices, part),
        expressions=_with_tongue_raise(expressions, vertices, part),
        macros=_unpack(asset, "macro", len(vertices)),
        sliders=_unpack(asset, "slider", len(vertices)),
    )


def _unpack(asset: dict[str, np.ndarray], kind: str, num_vertices: int) -> Targets:
    """Inverse of the builder's packing: sparse, zig-zag coded 16-bit steps in two byte planes."""
    counts = asset[f"{kind}_counts"].astype(int)
    gaps = asset[f"{kind}_gaps"].astype(int)
    coded = asset[f"{kind}_low"].astype(np.int32) | asset[f"{kind}_high"].astype(np.int32) << 8
    steps = ((coded >> 1) ^ -(coded & 1)).reshape(-1, 3).astype(np.float32) * asset["step"]
    deltas = np.zeros((len(counts), num_vertices, 3), np.float32)
    ends = np.cumsum(counts)
    for target, end, count in zip(deltas, ends, counts, strict=True):
        moved = np.cumsum(gaps[end - count : end] + 1) - 1
        target[moved] = steps[end - count : end]
    names = {str(name): index for index, name in enumerate(asset[f"{kind}_names"])}
    return Targets(names, deltas)


def _with_tongue_raise(expressions: Targets, vertices: np.ndarray, part: np.ndarray) -> Targets:
    """ARKit has no raised tongue: lifts the front of ours towards the upper teeth."""
    tongue = part == TONGUE
    depth = vertices[tongue, 2]
    front = np.clip((depth - np.percentile(depth, 35)) / np.ptp(depth) * 1.7, 0, 1) ** 1.5
    delta = np.zeros((1, *vertices.shape), np.float32)
    delta[0, tongue, 1] = 1.25 * front
    delta[0, tongue, 2] = -0.25 * front
    names = expressions.names | {"tongueUp": len(expressions.names)}
    return Targets(names, np.concatenate([expressions.deltas, delta]))


def _texture_coordinates(vertices: np.ndarray, part: np.ndarray) -> Float32[np.ndarray, "v 2"]:
    uv = cylinder_uv(vertices)
    for eye in (EYE_LEFT, EYE_RIGHT):
        inside = part == eye
        points = vertices[inside]
        offset = points - (points.max(axis=0) + points.min(axis=0)) / 2
        uv[inside] = offset[:, :2] / np.abs(offset[:, 1]).max()
        uv[inside, 0] += np.where(offset[:, 2] < 0, HIDDEN_EYE, 0)
    return uv
