"""Hair on the head: colour on the texture, volume on the scalp, and a curtain of long hair.

Owns hairline, sideburns, baldness, curls and length. Local shape letters: v vertices of the head,
c vertices of the curtain, f its triangles.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float32, Int32

from data_pipelines.synthetic import texture as paint
from data_pipelines.synthetic.head import TEXTURE_HEIGHT, TEXTURE_WIDTH, load_head
from data_pipelines.synthetic.shape import ear_column, ear_vertices
from data_pipelines.synthetic.skin import lip_mask
from data_pipelines.synthetic.texture import Mask, Texture, smooth_noise
from data_pipelines.synthetic.traits import Traits

_GLOSS = 0.6
_CURTAIN_ROWS, _CURTAIN_COLUMNS = 13, 44
_CURTAIN_TOP = 9.0  # cm
_CURTAIN_AXIS_Z = -1.5  # cm
_STRIP_HEIGHT, _STRIP_WIDTH = (
    64,
    142,
)  # texture pixels of the curtain's strip, at the back of the head


@dataclasses.dataclass(frozen=True)
class Curtain:
    """Long hair: a two-sided sheet around the back and the sides of the head.

    Attributes:
        vertices: centimetres.
        triangles: both sides.
        uv: texture pixels, in a corner that no skin uses.
    """

    vertices: Float32[np.ndarray, "c 3"]
    triangles: Int32[np.ndarray, "f 3"]
    uv: Float32[np.ndarray, "c 2"]


@dataclasses.dataclass(frozen=True)
class Hair:
    """What hair does to the head.

    Attributes:
        cover: [v] 1 under dense hair.
        lift: [v] centimetres by which the scalp is pushed out.
        curtain: long hair, or None.
    """

    cover: Float32[np.ndarray, " v"]
    lift: Float32[np.ndarray, " v"]
    curtain: Curtain | None


def grow_hair(
    rng: np.random.Generator,
    traits: Traits,
    texture: Texture,
    vertices: Float32[np.ndarray, "v 3"],
) -> Hair:
    """Paints hair (and the gloss of skin and hair) on the texture, and returns its volume."""
    bald = not traits.female and bool(rng.random() < 0.08 + 0.2 * traits.age)
    curly = bool(rng.random() < 0.2 + 0.5 * traits.origins[0])
    mask = _scalp_mask(rng, bald)
    _paint_scalp(rng, traits, texture, mask, curly)
    cover = _cover(mask)
    thickness = 0.12 if bald else rng.uniform(0.5, 2.2)
    bumps = [0.35, 0.3] if curly else [0.3, 0.12]
    unevenness = smooth_noise(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [70, 16 if curly else 26], bumps)
    rows, columns = _texels()
    # Thin at the neck.
    height = np.clip((load_head().vertices[:, 1] + 5) / 7, 0.15, 1)
    lift = (np.clip(cover, 0, 1) * thickness * (1 + unevenness[rows, columns]) * height).astype(
        np.float32
    )
    is_long = rng.random() < (0.75 if traits.female else 0.0 if bald else 0.06)
    curtain = _hang_curtain(rng, traits, texture, vertices, lift, curly) if is_long else None
    return Hair(cover, lift, curtain)


def _scalp_mask(rng: np.random.Generator, bald: bool) -> Mask:
    """1 where hair grows: above the hairline, on the sideburns, at the back of the head."""
    points = load_head().landmark_uv
    rows, columns = np.mgrid[0:TEXTURE_HEIGHT, 0:TEXTURE_WIDTH].astype(np.float32)
    aside = np.abs(columns - points[27, 0])
    top = points[27, 1] - rng.uniform(56, 76)
    temple = np.clip(aside - rng.uniform(35, 60), 0, None)
    hairline = top + temple**1.25 * rng.uniform(0.12, 0.25)
    ragged = smooth_noise(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [34, 9], [1.5, 0.7])
    above = np.clip((hairline - rows + ragged) / 9, 0, 1)

    ear = ear_column()
    burns_end = points[1, 1] + rng.uniform(-30, 5)
    burns = np.clip((aside - ear + rng.uniform(0, 14)) / 8, 0, 1)
    burns *= np.clip((burns_end - rows) / 6, 0, 1)
    nape = points[3, 1] + rng.uniform(-5, 25)
    back = np.clip((aside - ear - 30) / 8, 0, 1) * np.clip((nape - rows) / 10, 0, 1)
    if bald:
        shaven = rng.random() < 0.4
        above *= 0.0 if shaven else np.clip((rows - top + 25) / 40, 0, 0.6)
        burns, back = burns * 0.5, back * 0.6
    return np.maximum(above, np.maximum(burns, back))


def _paint_scalp(
    rng: np.random.Generator, traits: Traits, texture: Texture, mask: Mask, curly: bool
) -> None:
    strands = _strands(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, curly)
    locks = smooth_noise(rng, TEXTURE_HEIGHT, TEXTURE_WIDTH, [18], [0.25])
    colour = traits.hair.astype(np.float32) * np.exp(0.42 * strands + locks)[..., None]
    texture[..., :3] += mask[..., None] * (colour - texture[..., :3])
    points = load_head().landmark_uv
    nose_and_forehead = paint.spot(points[33] - [0, 8], 14, 40)
    nose_and_forehead += paint.spot(points[27] - [0, 25], 40, 14)
    skin_gloss = (0.5 + 0.5 * np.clip(nose_and_forehead, 0, 1)) * (1 + 0.6 * lip_mask())
    texture[..., 3] = (1 - mask) * skin_gloss + mask * _GLOSS
    np.clip(texture, 0.002, 1.2, out=texture)


def _strands(rng: np.random.Generator, height: int, width: int, curly: bool) -> np.ndarray:
    """Bright and dark streaks along the hair, deviation about 0.4; spots where it is curly."""
    along = 1.1 if curly else rng.uniform(4, 14)
    grain = rng.standard_normal((height, width), dtype=np.float32)
    smooth = cv2.GaussianBlur(grain, (0, 0), sigmaX=0.9, sigmaY=along)
    return smooth * (1.6 if curly else 2.2)


def _cover(mask: Mask) -> Float32[np.ndarray, " v"]:
    """The mask at the vertices, smooth over the mesh; ears stay bare."""
    head = load_head()
    scalp = head.is_skin & ~ear_vertices()
    rows, columns = _texels()
    sampled = cv2.GaussianBlur(mask, (0, 0), 5)[rows, columns]
    cover = np.where(scalp, sampled, 0)
    edges = np.concatenate([head.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    size = len(cover)
    degree = np.bincount(edges.ravel(), minlength=size) + 1e-6
    for _ in range(3):
        neighbours = np.bincount(edges[:, 0], cover[edges[:, 1]], size)
        neighbours += np.bincount(edges[:, 1], cover[edges[:, 0]], size)
        cover = 0.4 * cover + 0.6 * neighbours / degree
    return np.where(scalp, cover, 0).astype(np.float32)


def _texels() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the texture at each vertex; meaningless on eyes."""
    uv = load_head().uv
    columns = np.clip(uv[:, 0], 0, TEXTURE_WIDTH - 1).astype(int)
    return np.clip(uv[:, 1], 0, TEXTURE_HEIGHT - 1).astype(int), columns


def _hang_curtain(
    rng: np.random.Generator,
    traits: Traits,
    texture: Texture,
    vertices: np.ndarray,
    lift: np.ndarray,
    curly: bool,
) -> Curtain:
    head = load_head()
    ear = head.vertices[head.landmarks[16]]
    first = np.arctan2(ear[0], ear[2] - _CURTAIN_AXIS_Z) + np.deg2rad(rng.uniform(-16, 10))
    angles = np.linspace(first, 2 * np.pi - first, _CURTAIN_COLUMNS)
    heights = np.linspace(_CURTAIN_TOP, rng.uniform(-19, -9), _CURTAIN_ROWS)
    scalp = head.is_skin & (head.vertices[:, 1] > -10) & (head.head_weight > 0.5)
    # Roughly outwards from the axis; the curtain only needs to know how far the scalp reaches.
    radii = _curtain_radii(rng, vertices[scalp], lift[scalp], angles, heights)
    waves = [2.2, 4.5] if curly else [3, 6]
    num_rows, num_columns = radii.shape
    wobble = smooth_noise(rng, num_rows, num_columns, waves, [0.45, 0.3] if curly else [0.18, 0.05])
    radii = radii + wobble
    rows = np.broadcast_to(heights[:, None], radii.shape).copy()
    rows[-1] += wobble[-1] * 1.5
    points = np.stack(
        [np.sin(angles) * radii, rows, np.cos(angles) * radii + _CURTAIN_AXIS_Z], axis=2
    )
    corner = 0 if rng.random() < 0.5 else TEXTURE_WIDTH - _STRIP_WIDTH
    _paint_strip(rng, traits, texture, corner, curly)
    return Curtain(
        points.reshape(-1, 3).astype(np.float32), _grid_triangles(*radii.shape), _strip_uv(corner)
    )


def _curtain_radii(
    rng: np.random.Generator,
    scalp: np.ndarray,
    lift: np.ndarray,
    angles: np.ndarray,
    heights: np.ndarray,
) -> np.ndarray:
    """[rows, columns] distance from the axis: over the scalp, then falling freely below the jaw."""
    around = np.arctan2(scalp[:, 0], scalp[:, 2] - _CURTAIN_AXIS_Z)
    reach = np.hypot(scalp[:, 0], scalp[:, 2] - _CURTAIN_AXIS_Z) + lift
    over_ears = rng.random() < 0.6
    flare = rng.uniform(-0.8, 1.6)
    columns = np.arange(len(angles))
    # The front edges start inside the scalp.
    tuck = 0.9 * np.clip(1 - np.minimum(columns, columns[::-1]) / 4, 0, 1)
    from_axis = np.abs((around[None] - angles[:, None] + np.pi) % (2 * np.pi) - np.pi) < 0.22
    radii = np.empty((len(heights), len(angles)))
    for row, height in enumerate(heights):
        if height <= -6:
            radii[row] = radii[row - 1] + flare * (-6 - height) / 12
            continue
        level = np.abs(scalp[:, 1] - height) < 1.6
        here = _reach_by_angle(reach, from_axis & level, over_ears)
        here = np.convolve(np.pad(here, 2, "edge"), np.ones(5) / 5, "valid")
        here += (0.1 if height > 6 else 0.5) - tuck * np.clip((height + 1) / 6, 0, 1)
        # Hair falls from the widest place instead of following the skull inwards.
        radii[row] = here if row == 0 else np.maximum(here, radii[row - 1] - 0.35)
    return radii


def _reach_by_angle(reach: np.ndarray, near: np.ndarray, over_ears: bool) -> np.ndarray:
    """How far the scalp reaches at each angle; where nothing is near, as at the neighbours."""
    known = np.flatnonzero(near.any(axis=1))
    if not len(known):
        return np.full(len(near), 7.0)
    outermost = np.max if over_ears else lambda values: np.percentile(values, 70)
    values = [outermost(reach[near[angle]]) for angle in known]
    return np.interp(np.arange(len(near)), known, values)


def _paint_strip(
    rng: np.random.Generator, traits: Traits, texture: Texture, corner: int, curly: bool
) -> None:
    strands = _strands(rng, _STRIP_HEIGHT, _STRIP_WIDTH, curly)
    colour = traits.hair.astype(np.float32) * np.exp(0.6 * strands)[..., None]
    strip = texture[:_STRIP_HEIGHT, corner : corner + _STRIP_WIDTH]
    strip[..., :3] = np.clip(colour, 0.002, 1.2)
    strip[..., 3] = _GLOSS


def _strip_uv(corner: int) -> Float32[np.ndarray, "c 2"]:
    columns = np.linspace(corner + 0.5, corner + _STRIP_WIDTH - 1.5, _CURTAIN_COLUMNS)
    rows = np.linspace(2, _STRIP_HEIGHT - 4, _CURTAIN_ROWS)
    grid = np.stack(np.meshgrid(columns, rows), axis=2)
    return grid.reshape(-1, 2).astype(np.float32)


def _grid_triangles(rows: int, columns: int) -> Int32[np.ndarray, "f 3"]:
    """Both sides of a grid of vertices."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    front = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    return np.concatenate([front, front[:, ::-1]])
