"""Compiled shading: the colour of every pixel from its triangle, materials and two lights.

Owns materials (skin, cloth, hair, teeth, mouth, eyes) and the lighting model: diffuse light that
wraps around (skin scatters red furthest), ambient occlusion, cast shadows, highlights. All colours
are linear RGB. Local shape letters as in `raster`; i, j, k are a triangle's corners.
"""

import math
import typing

import numpy as np

from data_pipelines.synthetic.head import CAVITY, GUM, HAIR, SKIN, SOCKET, TEETH, TONGUE
from data_pipelines.synthetic.raster import compiled
from data_pipelines.synthetic.wardrobe import (
    BACK_RISE,
    FRONT_HEIGHT,
    HEM,
    STRIPE_PERIOD,
    STRIPES_LEVEL,
    V_DEPTH,
    V_HALF_WIDTH,
)

_PUPIL, _IRIS_RIM, _IRIS, _LIMBUS = 0.16, 0.39, 0.43, 0.46  # radii over the eye's
_EYE_GLOSS = 0.9
_CLOTH_GLOSS = 0.02
_WRAP = 0.25


@compiled
@typing.no_type_check
def shade(
    picture, triangle, second, third, triangles, normals, uv, material, rest, is_torso,
    occlusion, lit, lip_depth, texture, iris, teeth, gloss, jaw_open, neckline, cloth_colours,
    light_directions, light_colours, ambient,
):  # fmt: skip
    """Colours the covered pixels of a picture in place.

    Args:
        picture: [h w 3] f32 linear RGB; holds the background.
        triangle, second, third: what `rasterise` found.
        triangles, normals, uv, material, occlusion: the mesh, posed.
        rest, is_torso: [v 3] f32 unposed vertices and [v] i32 flags, to paint clothes.
        lit: [v] f32 share of the main light that reaches each vertex.
        lip_depth: [v] f32 centimetres behind the lips.
        texture: [y x 4] f32 albedo and gloss.
        iris, teeth: [3] f32 albedo.
        gloss: strength of the skin's highlights.
        jaw_open: 0 to 1; lets light into the mouth.
        neckline, cloth_colours: see `wardrobe.Clothes`.
        light_directions, light_colours: [2 3] f32, main light first.
        ambient: [3 3] f32 colour terms: constant, per upward and per leftward normal.
    """
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            face = triangle[y, x]
            if face < 0:
                continue
            u, v = second[y, x], third[y, x]
            w = 1 - u - v
            i, j, k = triangles[face, 0], triangles[face, 1], triangles[face, 2]
            nx, ny, nz = _unit(
                w * normals[i, 0] + u * normals[j, 0] + v * normals[k, 0],
                w * normals[i, 1] + u * normals[j, 1] + v * normals[k, 1],
                w * normals[i, 2] + u * normals[j, 2] + v * normals[k, 2],
            )
            reach = w * occlusion[i] + u * occlusion[j] + v * occlusion[k]
            sun = w * lit[i] + u * lit[j] + v * lit[k]
            part = material[i]
            if material[j] == CAVITY or material[k] == CAVITY:
                part = CAVITY  # the seam's vertices are skin; the triangles inside it are not
            eye = False
            if part in (SKIN, SOCKET, HAIR):
                u0 = uv[i, 0]
                across = w * u0 + u * uv[j, 0] + v * uv[k, 0]
                if max(abs(u0 - uv[j, 0]), abs(u0 - uv[k, 0])) > texture.shape[1] * 0.5:
                    across = u0  # the triangle straddles the texture's seam
                down = w * uv[i, 1] + u * uv[j, 1] + v * uv[k, 1]
                r, g, b, shine = _sample(texture, across, down)
                shine *= gloss
                if part == SKIN and is_torso[i] + is_torso[j] + is_torso[k] > 0:
                    px = w * rest[i, 0] + u * rest[j, 0] + v * rest[k, 0]
                    py = w * rest[i, 1] + u * rest[j, 1] + v * rest[k, 1]
                    pz = w * rest[i, 2] + u * rest[j, 2] + v * rest[k, 2]
                    below = below_neckline(px, py, pz, neckline)
                    if below > 0:
                        r, g, b = _cloth(px, py, below, neckline, cloth_colours)
                        shine = _CLOTH_GLOSS
                    elif below > -0.5:
                        reach *= 0.7  # the cloth's contact shadow
            elif part in (GUM, TEETH, CAVITY, TONGUE):
                r, g, b, shine = _mouth_material(part, teeth)
                behind = w * lip_depth[i] + u * lip_depth[j] + v * lip_depth[k]
                reach = _mouth_light(behind, jaw_open, part == TEETH)
                sun = 1.0
            else:
                r, g, b = _eye_material(
                    w * uv[i, 0] + u * uv[j, 0] + v * uv[k, 0],
                    w * uv[i, 1] + u * uv[j, 1] + v * uv[k, 1],
                    iris,
                )
                shine, eye = _EYE_GLOSS, True
                reach = 0.3 + 0.6 * reach
            _light(
                picture, y, x, r, g, b, shine, eye, nx, ny, nz, reach, sun,
                light_directions, light_colours, ambient,
            )  # fmt: skip


@compiled
@typing.no_type_check
def below_neckline(x, y, z, neckline):
    """Centimetres below the neckline, roughly; positive on cloth."""
    line = neckline[FRONT_HEIGHT]
    line += neckline[BACK_RISE] * min(max((4.0 - z) / 10.0, 0.0), 1.0)
    if z > 0 and neckline[V_DEPTH] > 0:
        line -= neckline[V_DEPTH] * max(0.0, 1.0 - abs(x) / neckline[V_HALF_WIDTH])
    return line - y


@compiled
@typing.no_type_check
def neckline_depths(vertices, neckline):
    """`below_neckline` of [v 3] vertices: [v] f32."""
    depths = np.empty(vertices.shape[0], np.float32)
    for v in range(vertices.shape[0]):
        depths[v] = below_neckline(vertices[v, 0], vertices[v, 1], vertices[v, 2], neckline)
    return depths


@compiled
@typing.no_type_check
def received_light(points, depth, bias):
    """[v] f32 share of a light that reaches points, from the depth picture seen by that light.

    Args:
        points: [v 3] f32 the vertices as the light sees them (pixels, depth).
        depth: [h w] f32 the light's z-buffer.
        bias: how far behind the visible surface a point is still lit, in depth units.
    """
    size = depth.shape[0]
    share = np.ones(points.shape[0], np.float32)
    for v in range(points.shape[0]):
        column, row = int(points[v, 0]), int(points[v, 1])
        lit = 0.0
        for dy in range(-1, 2):  # nine neighbours soften the shadow's edge
            for dx in range(-1, 2):
                y = min(max(row + dy, 0), size - 1)
                x = min(max(column + dx, 0), size - 1)
                if points[v, 2] > depth[y, x] - bias:
                    lit += 1.0
        share[v] = lit / 9.0
    return share


@compiled
@typing.no_type_check
def _unit(x, y, z):
    scale = 1 / (math.sqrt(x * x + y * y + z * z) + 1e-9)
    return x * scale, y * scale, z * scale


@compiled
@typing.no_type_check
def _sample(texture, across, down):
    """Bilinear albedo and the nearest texel's gloss."""
    x = min(max(across, 0.0), texture.shape[1] - 1.001)
    y = min(max(down, 0.0), texture.shape[0] - 1.001)
    column, row = int(x), int(y)
    x -= column
    y -= row
    w00, w01, w10, w11 = (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y
    red = w00 * texture[row, column, 0] + w01 * texture[row, column + 1, 0]
    red += w10 * texture[row + 1, column, 0] + w11 * texture[row + 1, column + 1, 0]
    green = w00 * texture[row, column, 1] + w01 * texture[row, column + 1, 1]
    green += w10 * texture[row + 1, column, 1] + w11 * texture[row + 1, column + 1, 1]
    blue = w00 * texture[row, column, 2] + w01 * texture[row, column + 1, 2]
    blue += w10 * texture[row + 1, column, 2] + w11 * texture[row + 1, column + 1, 2]
    return red, green, blue, texture[row, column, 3]


@compiled
@typing.no_type_check
def _cloth(x, y, below, neckline, colours):
    kind = 0
    if neckline[STRIPE_PERIOD] > 0:
        phase = (y if neckline[STRIPES_LEVEL] > 0 else x) / neckline[STRIPE_PERIOD]
        if phase - math.floor(phase) < 0.5:
            kind = 1
    if below < neckline[HEM]:
        kind = 2
    folds = 1 + 0.06 * math.sin(x * 1.1 + 2.3 * math.sin(y * 0.5))
    folds += 0.05 * math.sin(y * 1.7 + x * 0.6)
    if below < 0.25:
        folds *= 0.75
    return colours[kind, 0] * folds, colours[kind, 1] * folds, colours[kind, 2] * folds


@compiled
@typing.no_type_check
def _mouth_material(part, teeth):
    if part == TEETH:
        return teeth[0], teeth[1], teeth[2], 0.22
    if part == TONGUE:
        return 0.46, 0.16, 0.15, 0.12
    if part == GUM:
        return 0.40, 0.15, 0.14, 0.15
    return 0.24, 0.06, 0.06, 0.0


@compiled
@typing.no_type_check
def _mouth_light(behind, jaw_open, is_tooth):
    """Darker with depth behind the lips, lighter with the opening."""
    reach = min(max(1 - (behind - 0.7) / (2.4 + 2.5 * jaw_open), 0.0), 1.0)
    reach *= min(1.0, 0.5 + jaw_open * 1.2)
    return 0.03 + 0.9 * reach * (1.0 if is_tooth else 0.75)


@compiled
@typing.no_type_check
def _eye_material(x, y, iris):
    radius = math.sqrt(x * x + y * y)
    if radius < _PUPIL:
        return 0.01, 0.01, 0.01
    if radius < _IRIS:
        fibres = 0.6 + 0.18 * math.sin(9 * math.atan2(y, x) + 20 * radius) + 0.4 * (radius - 0.3)
        if radius > _IRIS_RIM:
            fibres *= 0.4
        return iris[0] * fibres, iris[1] * fibres, iris[2] * fibres
    if radius < _LIMBUS:
        return 0.36, 0.33, 0.32
    return 0.60, 0.55, 0.52


@compiled
@typing.no_type_check
def _light(
    picture, y, x, r, g, b, shine, eye, nx, ny, nz, reach, sun,
    directions, colours, ambient,
):  # fmt: skip
    """Writes the albedo (r, g, b) as lit by the ambient light and both lights."""
    open_air = 0.25 + 0.75 * reach
    red = (ambient[0, 0] + ambient[1, 0] * ny + ambient[2, 0] * nx) * reach
    green = (ambient[0, 1] + ambient[1, 1] * ny + ambient[2, 1] * nx) * reach
    blue = (ambient[0, 2] + ambient[1, 2] * ny + ambient[2, 2] * nx) * reach
    for light in range(directions.shape[0]):
        strength = open_air * (sun if light == 0 else 1.0)
        dx, dy, dz = directions[light, 0], directions[light, 1], directions[light, 2]
        cosine = nx * dx + ny * dy + nz * dz
        far = max(0.0, (cosine + _WRAP) / (1 + _WRAP)) * strength
        near = max(0.0, (cosine + _WRAP / 2) / (1 + _WRAP / 2)) * strength
        red += colours[light, 0] * far
        green += colours[light, 1] * near
        blue += colours[light, 2] * near
    highlight = _highlight(nx, ny, nz, directions, eye) * shine * open_air * sun
    picture[y, x, 0] = r * red + colours[0, 0] * highlight
    picture[y, x, 1] = g * green + colours[0, 1] * highlight
    picture[y, x, 2] = b * blue + colours[0, 2] * highlight


@compiled
@typing.no_type_check
def _highlight(nx, ny, nz, directions, sharp):
    """Blinn's highlight of the main light, for a viewer on the z axis; exponent 16, or 128."""
    hx, hy, hz = _unit(directions[0, 0], directions[0, 1], directions[0, 2] + 1.0)
    cosine = max(0.0, nx * hx + ny * hy + nz * hz)
    for _ in range(7 if sharp else 4):
        cosine *= cosine
    return cosine
