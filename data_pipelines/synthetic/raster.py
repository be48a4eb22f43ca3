"""Compiled geometry: vertex normals and the z-buffer that finds each pixel's triangle.

Owns loops over triangles and pixels, compiled by numba and cached on disk. Knows no colours.
Local shape letters: v vertices, f triangles, h w pixels.
"""

import typing

import numba
import numpy as np

# Type checks cannot enter compiled code (typing.no_type_check), and arithmetic stays strict
# (no fastmath): a reordered sum would give other bytes on another processor.
compiled = numba.njit(cache=True, error_model="numpy")


@compiled
@typing.no_type_check
def vertex_normals(vertices, triangles):
    """[v 3] f32 unit normals, weighted by area, of [v 3] f32 vertices and [f 3] i32 triangles."""
    normals = np.zeros_like(vertices)
    for face in range(triangles.shape[0]):
        a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(vertices.shape[0]):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        scale = np.float32(1) / (np.sqrt(x * x + y * y + z * z) + np.float32(1e-9))
        normals[vertex, 0] *= scale
        normals[vertex, 1] *= scale
        normals[vertex, 2] *= scale
    return normals


@compiled
@typing.no_type_check
def rasterise(points, triangles, size):
    """Finds the nearest triangle in front of every pixel.

    Args:
        points: [v 3] f32 screen x, screen y (downwards), depth (larger is nearer).
        triangles: [f 3] i32; those that turn away are skipped.
        size: pixels of the square picture.

    Returns:
        [h w] i32 triangle or -1; [h w] f32 barycentric weights of its second and third corner;
        [h w] f32 depth.
    """
    depth = np.full((size, size), np.float32(-1e9), np.float32)
    triangle = np.full((size, size), -1, np.int32)
    second = np.zeros((size, size), np.float32)
    third = np.zeros((size, size), np.float32)
    half, least, most = np.float32(0.5), np.float32(-1e-4), np.float32(1.0001)
    for face in range(triangles.shape[0]):
        a, b, c = triangles[face, 0], triangles[face, 1], triangles[face, 2]
        x0, y0, z0 = points[a, 0], points[a, 1], points[a, 2]
        x1, y1, x2, y2 = points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= np.float32(-1e-6):  # a back face, since y points down
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - half)))
        right = min(size - 1, int(np.floor(max(x0, x1, x2) - half)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - half)))
        bottom = min(size - 1, int(np.floor(max(y0, y1, y2) - half)))
        if left > right or top > bottom:
            continue
        inverse = np.float32(1) / area
        dz1, dz2 = points[b, 2] - z0, points[c, 2] - z0
        du_dx, du_dy = (y2 - y0) * inverse, -(x2 - x0) * inverse
        dv_dx, dv_dy = -(y1 - y0) * inverse, (x1 - x0) * inverse
        px, py = np.float32(left) + half - x0, np.float32(top) + half - y0
        u_row, v_row = px * du_dx + py * du_dy, px * dv_dx + py * dv_dy
        for y in range(top, bottom + 1):
            u, v = u_row, v_row
            for x in range(left, right + 1):
                if u > least and v > least and u + v < most:
                    z = z0 + u * dz1 + v * dz2
                    if z > depth[y, x]:
                        depth[y, x] = z
                        triangle[y, x] = face
                        second[y, x] = u
                        third[y, x] = v
                u += du_dx
                v += dv_dx
            u_row += du_dy
            v_row += dv_dy
    return triangle, second, third, depth


@compiled
@typing.no_type_check
def blend_shapes(base, deltas, weights):
    """[v 3] f32 base plus the weighted sum of [u v 3] f32 deltas; weights near 0 cost nothing."""
    vertices = base.copy()
    for unit in range(weights.shape[0]):
        weight = weights[unit]
        if abs(weight) < 1e-4:
            continue
        for vertex in range(deltas.shape[1]):
            vertices[vertex, 0] += weight * deltas[unit, vertex, 0]
            vertices[vertex, 1] += weight * deltas[unit, vertex, 1]
            vertices[vertex, 2] += weight * deltas[unit, vertex, 2]
    return vertices


@compiled
@typing.no_type_check
def turn(vertices, weight, head, body, pivot):
    """[v 3] f32 vertices turned with the head, by [v] f32 weights about a pivot, then the body.

    `head` and `body` are [3 3] rotations. Not `@`: BLAS sums in another order on another machine.
    """
    turned = np.empty_like(vertices)
    for v in range(vertices.shape[0]):
        x = vertices[v, 0] - pivot[0]
        y = vertices[v, 1] - pivot[1]
        z = vertices[v, 2] - pivot[2]
        px, py, pz = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        px += weight[v] * (head[0, 0] * x + head[0, 1] * y + head[0, 2] * z - x)
        py += weight[v] * (head[1, 0] * x + head[1, 1] * y + head[1, 2] * z - y)
        pz += weight[v] * (head[2, 0] * x + head[2, 1] * y + head[2, 2] * z - z)
        turned[v, 0] = body[0, 0] * px + body[0, 1] * py + body[0, 2] * pz
        turned[v, 1] = body[1, 0] * px + body[1, 1] * py + body[1, 2] * pz
        turned[v, 2] = body[2, 0] * px + body[2, 1] * py + body[2, 2] * pz
    return turned


@compiled
@typing.no_type_check
def seen_along(vertices, axes, centre, scale, middle):
    """[v 3] f32 parallel projection: pixels right and down of `middle`, and depth, in that order.

    The rows of [3 3] axes point right, up and towards the viewer; `scale` is in pixels.
    """
    seen = np.empty_like(vertices)
    for v in range(vertices.shape[0]):
        x = vertices[v, 0] - centre[0]
        y = vertices[v, 1] - centre[1]
        z = vertices[v, 2] - centre[2]
        seen[v, 0] = middle + scale * (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z)
        seen[v, 1] = middle - scale * (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z)
        seen[v, 2] = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
    return seen
