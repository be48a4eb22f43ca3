import cv2
import numpy as np
import pytest

from data_pipelines.media.align import CANONICAL_FACE, crop_matrices, mouth_boxes, warp_square


def similarity(points, scale, angle, shift):
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return points @ np.array([[cos, sin], [-sin, cos]]) + shift


def test_any_similar_face_lands_on_the_canonical_one():
    face = np.array(list(CANONICAL_FACE.values()))
    moved = np.stack([similarity(face, 80, 0.4, [300, 200]), similarity(face, 500, -1.0, [9, 7])])
    matrices = crop_matrices(moved, size=200, margin=0.25)
    landed = np.einsum("tij,tpj->tpi", matrices[:, :, :2], moved) + matrices[:, None, :, 2]
    np.testing.assert_allclose(landed, np.stack([face * 160 + 99.5] * 2), atol=1e-6)


def test_crop_is_least_squares():
    rng = np.random.default_rng(0)
    face = np.array(list(CANONICAL_FACE.values()))
    noisy = similarity(face, 100, 0.2, [50, 60]) + rng.normal(size=face.shape)
    (matrix,) = crop_matrices(noisy[None], size=100, margin=0.0)
    # The same four numbers from a general solver: x' = a x - b y + c, y' = b x + a y + d.
    x, y = noisy.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    design = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    target = (face * 100 + 49.5).T.ravel()
    a, b, c, d = np.linalg.lstsq(design, target, rcond=None)[0]
    np.testing.assert_allclose(matrix, [[a, -b, c], [b, a, d]], rtol=1e-9)


def test_mouth_boxes_keep_their_size_and_stay_inside():
    matrices = np.tile(np.eye(2, 3), (3, 1, 1))
    closed = np.array([[90.0, 150], [110, 150], [100, 149], [100, 151]])
    opened = np.array([[90.0, 150], [110, 150], [100, 140], [100, 160]])
    boxes = mouth_boxes(np.stack([closed, opened, opened + 500]), matrices, size=224, margin=0.12)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], 90.0)
    np.testing.assert_allclose(boxes[0], [55, 105, 145, 195])
    np.testing.assert_allclose(boxes[1], boxes[0])
    np.testing.assert_allclose(boxes[2], [134, 134, 224, 224])


def test_strong_reduction_does_not_alias():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 200  # every other column: the true mean is 100 everywhere
    matrix = np.array([[0.12, 0.001, -3.0], [-0.001, 0.12, 2.0]])
    naive = cv2.warpAffine(stripes, matrix, (64, 64))[16:48, 16:48].astype(float)
    view = warp_square(stripes, matrix, 64)[16:48, 16:48].astype(float)
    assert np.abs(naive - 100).max() > 50
    assert np.abs(view - 100).max() < 2


def test_reduction_keeps_the_place():
    ramp = np.zeros((600, 600, 3), np.uint8)
    ramp[:] = np.linspace(0, 240, 600).round()[None, :, None]
    matrix = np.array([[0.2, 0.0, -10.0], [0.0, 0.2, -10.0]])
    view = warp_square(ramp, matrix, 100)
    columns = (np.arange(100) + 10) / 0.2  # where each pixel of the view lies in the image
    np.testing.assert_allclose(view[50, :, 0], columns * 240 / 599, atol=1.5)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_outside_the_image_is_black(scale):
    image = np.full((100, 100, 3), 255, np.uint8)
    view = warp_square(image, np.array([[scale, 0, 1e4], [0, scale, 1e4]]), 32)
    assert view.max() == 0
