"""One frame of a person: expression, pose, camera, shadows, shading, lashes and glasses.

Owns the way from an `Identity` and a pose to linear pixels and landmarks, on one thread and without
any graphics driver. Scenes (light, background, framing) are drawn by `scene`.
"""

import dataclasses
import functools
import math

import cv2
import numpy as np
from jaxtyping import Float, Float32

from data_pipelines.synthetic.head import load_head
from data_pipelines.synthetic.identity import Identity
from data_pipelines.synthetic.motion import BODY_YAW, PITCH, ROLL, SHIFT_X, SHIFT_Y, YAW
from data_pipelines.synthetic.raster import (
    blend_shapes,
    rasterise,
    seen_along,
    turn,
    vertex_normals,
)
from data_pipelines.synthetic.shading import received_light, shade
from data_pipelines.synthetic.texture import subpixel
from data_pipelines.synthetic.wardrobe import Glasses

_PIVOT = np.array([0, -6.5, -2.5], np.float32)  # cm; the head turns about the upper neck
_BUST = np.array([0, -4, -2], np.float32)  # cm; the middle of what casts shadows
_CENTRE_Y = -0.4  # cm; this height is at the middle of the frame
_FRAME_HEIGHT = 28.0  # cm at scale 1
_SHADOW_SIZE, _SHADOW_SPAN, _SHADOW_BIAS = 72, 34.0, 0.55  # pixels, cm, cm
_EYES = ((36, 39, (37, 38)), (42, 45, (43, 44)))  # landmarks: corners, upper lid


@dataclasses.dataclass(frozen=True)
class Lighting:
    """Two directional lights and the light from everywhere, linear RGB.

    Attributes:
        directions: [2 3] unit vectors towards the lights, the main one first.
        colours: [2 3].
        ambient: [3 3] constant, per upward and per leftward normal.
        shadow: how much of the main light its shadows take away.
    """

    directions: Float32[np.ndarray, "2 3"]
    colours: Float32[np.ndarray, "2 3"]
    ambient: Float32[np.ndarray, "3 3"]
    shadow: float


@dataclasses.dataclass(frozen=True)
class View:
    """The camera: magnification, and centimetres between it and the head's centre."""

    scale: float
    distance: float


def render(
    identity: Identity,
    expression: Float32[np.ndarray, " u"],
    pose: Float32[np.ndarray, " 6"],
    view: View,
    lighting: Lighting,
    background: Float32[np.ndarray, "size size 3"],
) -> tuple[Float32[np.ndarray, "size size 3"], Float32[np.ndarray, "68 2"]]:
    """One frame.

    Args:
        identity: the person.
        expression: weights of the facial units.
        pose: see `motion.draw_head_motion`.
        view, lighting: camera and light.
        background: linear RGB; gives the frame its size.

    Returns:
        Linear RGB, and the 68 landmarks in pixels (those of the face's far side included).
    """
    head, body = load_head(), identity.body
    size = len(background)
    rest = _express(identity, expression)
    posed = turn(
        rest,
        body.head_weight,
        _rotation(*pose[[YAW, PITCH, ROLL]].tolist()),
        _rotation(float(pose[BODY_YAW]), 0.0, 0.0),
        _PIVOT,
    )
    normals = vertex_normals(posed, body.triangles)
    screen = _project(posed, pose, view, size)
    triangle, second, third, _ = rasterise(screen, body.triangles, size)
    lips = rest[head.landmarks[[51, 57]], 2].mean()
    picture = background.copy()
    shade(
        picture, triangle, second, third, body.triangles, normals, body.uv, body.material,
        body.rest, body.is_torso, body.occlusion, _shadows(posed, body.triangles, lighting),
        lips - rest[:, 2], identity.texture, identity.traits.iris.astype(np.float32),
        identity.teeth, identity.gloss, float(expression[head.expressions.names["jawOpen"]]),
        identity.clothes.neckline, identity.clothes.colours,
        lighting.directions, lighting.colours, lighting.ambient,
    )  # fmt: skip
    landmarks = screen[head.landmarks, :2]
    _draw_lashes(picture, landmarks, normals[head.landmarks, 2], identity)
    if identity.glasses is not None:
        _draw_glasses(picture, landmarks, identity.glasses, float(pose[ROLL]))
    return picture, landmarks


def _express(
    identity: Identity, expression: Float32[np.ndarray, " u"]
) -> Float32[np.ndarray, "v 3"]:
    deltas = load_head().expressions.deltas
    face = blend_shapes(identity.body.vertices[: deltas.shape[1]], deltas, expression)
    return np.concatenate([face, identity.body.vertices[deltas.shape[1] :]])


def _project(
    vertices: np.ndarray, pose: np.ndarray, view: View, size: int
) -> Float32[np.ndarray, "v 3"]:
    """Pixels (x, y downwards) and depth, in perspective."""
    perspective = view.distance / (view.distance - vertices[:, 2])
    scale = view.scale * size / _FRAME_HEIGHT
    screen = np.empty_like(vertices)
    screen[:, 0] = size / 2 + (vertices[:, 0] * perspective + pose[SHIFT_X]) * scale
    raised = (vertices[:, 1] - _CENTRE_Y) * perspective + pose[SHIFT_Y]
    screen[:, 1] = size / 2 - raised * scale
    screen[:, 2] = vertices[:, 2]
    return screen


def _shadows(
    vertices: np.ndarray, triangles: np.ndarray, lighting: Lighting
) -> Float32[np.ndarray, " v"]:
    """Share of the main light at each vertex, by a shadow map (Williams 1978)."""
    to_light = lighting.directions[0].astype(float)
    aside = np.array([to_light[2], 0, -to_light[0]]) / np.hypot(to_light[0], to_light[2])
    axes = np.stack([aside, np.cross(to_light, aside), to_light])
    seen = seen_along(vertices, axes, _BUST, _SHADOW_SIZE / _SHADOW_SPAN, _SHADOW_SIZE / 2)
    *_, depth = rasterise(seen, triangles, _SHADOW_SIZE)
    lit = received_light(seen, depth, np.float32(_SHADOW_BIAS))
    return 1 - np.float32(lighting.shadow) * (1 - lit)


def _rotation(yaw: float, pitch: float, roll: float) -> Float[np.ndarray, "3 3"]:
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.einsum("ij,jk,kl->il", about_z, about_x, about_y)


def _draw_lashes(
    picture: np.ndarray, landmarks: np.ndarray, facing: np.ndarray, identity: Identity
) -> None:
    """Standing lashes along the upper lids, where the eye faces the camera."""
    size = len(picture)
    width = max(1, round(size / 260))
    weight = 0.75 if identity.traits.female else 0.4
    lashes = np.zeros((size, size), np.uint8)
    for first, last, (left, right) in _EYES:
        if facing[[left, right]].max() < 0.1:
            continue
        lid = landmarks[[first, left, right, last]]
        centre, eye_width = lid.mean(axis=0), np.linalg.norm(lid[3] - lid[0])
        for along in np.linspace(0.05, 0.95, 9):
            root = _on_polyline(lid, along)
            tip = root + (root - centre) * [0.25, 0] + [0, -0.11 * eye_width]
            cv2.polylines(lashes, [subpixel([root, tip])], False, 255, width, cv2.LINE_AA, 4)
    picture *= 1 - (lashes.astype(np.float32) * (weight / 255))[..., None]


def _on_polyline(points: np.ndarray, along: float) -> np.ndarray:
    steps = np.linspace(0, 1, len(points))
    return np.array([np.interp(along, steps, column) for column in points.T])


def _draw_glasses(
    picture: np.ndarray, landmarks: np.ndarray, glasses: Glasses, roll: float
) -> None:
    """Rims in the plane of the picture, and the bridge between them."""
    width = max(1, round(glasses.rim * len(picture) / 168))
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    for first, last, _ in _EYES:
        centre = (landmarks[first] + landmarks[last]) / 2
        eye_width = np.linalg.norm(landmarks[last] - landmarks[first])
        outline = _lens(glasses.squareness) * [glasses.width / 2, glasses.height / 2] + [0, 0.08]
        rim = subpixel(centre + np.einsum("pj,ij->pi", outline * eye_width, turn))
        cv2.polylines(picture, [rim], True, glasses.colour, width, cv2.LINE_AA, 4)
    inner = 0.5 - 0.55 / (2 * glasses.width)
    left = landmarks[39] * (1 - inner) + landmarks[42] * inner
    right = landmarks[42] * (1 - inner) + landmarks[39] * inner
    bridge = subpixel([left, right])
    cv2.polylines(picture, [bridge], False, glasses.colour, width, cv2.LINE_AA, 4)


@functools.lru_cache(maxsize=8)
def _lens(squareness: float) -> Float[np.ndarray, "41 2"]:
    """A superellipse of radius 1."""
    angle = np.linspace(0, 2 * np.pi, 41)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.sign(circle) * np.abs(circle) ** squareness
