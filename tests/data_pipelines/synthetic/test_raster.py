"""The compiled geometry against numpy and by hand."""

import numpy as np

from data_pipelines.synthetic.raster import (
    blend_shapes,
    rasterise,
    seen_along,
    turn,
    vertex_normals,
)

# Clockwise on the screen, whose y points down: front faces.
SQUARE = np.array([[1, 1, 0], [1, 7, 0], [7, 7, 0], [7, 1, 0]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_a_square_covers_its_pixels_once():
    triangle, second, third, depth = rasterise(SQUARE, FACES, 8)
    inside = np.zeros((8, 8), bool)
    inside[1:7, 1:7] = True
    np.testing.assert_array_equal(triangle >= 0, inside)
    np.testing.assert_array_equal(depth[inside], 0)
    weights = second[inside] + third[inside]
    assert weights.min() > 0
    assert weights.max() < 1.001


def test_weights_interpolate_the_corners():
    triangle, second, third, _ = rasterise(SQUARE, FACES, 8)
    corners = SQUARE[FACES[triangle[5, 3]]]
    first = 1 - second[5, 3] - third[5, 3]
    point = first * corners[0] + second[5, 3] * corners[1] + third[5, 3] * corners[2]
    np.testing.assert_allclose(point[:2], [3.5, 5.5], atol=1e-5)


def test_the_nearer_triangle_wins_and_back_faces_are_skipped():
    nearer = SQUARE[[0, 1, 2]] + np.float32([0, 0, 5])
    points = np.concatenate([SQUARE, nearer])
    faces = np.concatenate([[[4, 5, 6]], FACES, [[4, 6, 5]]]).astype(np.int32)
    triangle, *_ = rasterise(points, faces, 8)
    assert triangle[5, 2] == 0
    assert triangle[2, 5] == 2
    assert not (triangle == 3).any()


def test_triangles_outside_the_picture_are_no_trouble():
    triangle, *_ = rasterise(SQUARE + np.float32([100, -50, 0]), FACES, 8)
    assert (triangle == -1).all()


def test_normals_of_a_plane():
    plane = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    normals = vertex_normals(plane, FACES)
    np.testing.assert_allclose(normals, np.tile([0, 0, 1], (4, 1)), atol=1e-6)


def test_blending_turning_and_looking_agree_with_numpy():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(9, 3)).astype(np.float32)
    deltas = rng.normal(size=(4, 9, 3)).astype(np.float32)
    weights = np.array([0.5, 0, -1, 0.25], np.float32)
    blended = blend_shapes(base, deltas, weights)
    np.testing.assert_allclose(blended, base + np.tensordot(weights, deltas, 1), atol=1e-5)

    head, body = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    share = rng.random(9).astype(np.float32)
    pivot = np.array([0, -6, -2], np.float32)
    half = base + share[:, None] * ((base - pivot) @ (head - np.eye(3)).T)
    turned = turn(base, share, head, body, pivot)
    np.testing.assert_allclose(turned, half @ body.T, atol=1e-5)

    seen = seen_along(base, head, pivot, 2.0, 10.0)
    expected = (base - pivot) @ head.T * [2, -2, 1] + [10, 10, 0]
    np.testing.assert_allclose(seen, expected, atol=1e-5)
