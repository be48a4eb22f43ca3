"""Regions lie on the face, and masks are soft and where they should be."""

import numpy as np
import pytest

from data_pipelines.forgeries.regions import (
    box_mask,
    polygon_mask,
    regions_of_crop,
    regions_of_landmarks,
)
from data_pipelines.synthetic.head import load_head

SQUARE = np.array([[10.0, 10], [30, 10], [30, 30], [10, 30]])


@pytest.fixture(scope="module")
def landmarks():
    head = load_head()
    points = head.vertices[head.landmarks][:, :2] * [4, -4] + [64, 64]
    return np.stack([points, points + [5, 0]])


def test_a_polygon_mask_is_one_inside_and_nothing_outside():
    mask = polygon_mask(SQUARE, (40, 48), grow=1.0, feather=0.5)
    assert mask.shape == (40, 48)
    assert mask[20, 20] == pytest.approx(1)
    assert mask[5, 20] == 0
    assert 0.02 < mask[20, 9] < 0.5  # just outside the border
    # The borders' pixels belong to the polygon, hence 21 x 21 and a little more.
    assert mask.sum() == pytest.approx(21.35**2, rel=0.01)  # antialiased


def test_growing_is_about_the_middle():
    small = polygon_mask(SQUARE, (40, 48), grow=0.5, feather=0.5)
    rows, columns = np.nonzero(small > 0.5)
    assert rows.mean() == pytest.approx(20)
    assert columns.mean() == pytest.approx(20)
    assert small.sum() == pytest.approx(11.3**2, rel=0.02)  # antialiased


def test_a_box_mask_is_its_box():
    mask = box_mask(np.array([4.0, 8, 12, 20]), (32, 32), feather=0.3)
    rows, columns = np.nonzero(mask > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 20, 4, 12)


def test_regions_follow_the_landmarks(landmarks):
    regions = regions_of_landmarks(landmarks)
    x0, y0, x1, y1 = regions.mouths[0]
    lips = landmarks[0, 48:68]
    assert x0 < lips[:, 0].min() < lips[:, 0].max() < x1
    assert y0 < lips[:, 1].min() < lips[:, 1].max() < y1
    np.testing.assert_allclose(regions.faces[1] - regions.faces[0], [[5, 0]] * 27, atol=1e-9)


def crop_regions(*, turned: float = 0.0, opened: float = 0.0):
    """Regions of a 96 px crop and the face's height; the mouth is off its place by pixels."""
    height = 96 / (1 + 0.3)
    centre, side = np.array([47.5 + turned, 47.5 + 0.234 * height + opened]), 0.45 * height
    boxes = np.tile([*(centre - side / 2), *(centre + side / 2)], (3, 1))
    return regions_of_crop(boxes, 96), boxes, height


def test_regions_of_a_prepared_crop_cover_the_face():
    regions, boxes, height = crop_regions()
    assert regions.faces.shape[0] == 3
    assert regions.faces[0, :, 1].max() == pytest.approx(47.5 + height / 2)  # the chin
    assert regions.faces[0, :, 1].min() == pytest.approx(47.5 - 0.3 * height)
    np.testing.assert_array_equal(regions.mouths, boxes)


def test_the_outline_follows_head_and_jaw():
    still, turned, opened = (
        crop_regions(**change)[0].faces[0] for change in ({}, {"turned": 3.0}, {"opened": 2.0})
    )
    np.testing.assert_allclose(turned - still, np.tile([7.5, 0], (len(still), 1)), atol=1e-9)
    chin, brows = still[:, 1].argmax(), still[:, 1] < 47.5
    np.testing.assert_allclose(opened[chin] - still[chin], [0, 4.0], atol=1e-9)
    np.testing.assert_allclose(opened[brows], still[brows], atol=1e-9)
