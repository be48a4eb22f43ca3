"""Pictures of people: landmarks sit on the face, mouths open, light and identity matter."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.synthetic.identity import make_identity, traits_of, voice_of
from data_pipelines.synthetic.renderer import Lighting, View, render
from data_pipelines.synthetic.shading import below_neckline, received_light
from data_pipelines.synthetic.visemes import expression

VIEW = View(scale=1.0, distance=80.0)
STRAIGHT = np.zeros(6, np.float32)
LIGHT = Lighting(
    directions=np.array([[0.6, 0.3, 0.74], [-0.8, 0, 0.6]], np.float32),
    colours=np.array([[0.8] * 3, [0.1] * 3], np.float32),
    ambient=np.array([[0.3] * 3, [0.05] * 3, [0] * 3], np.float32),
    shadow=0.9,
)
WALL = np.full((96, 96, 3), 0.25, np.float32)


def shot(number=0, weights=None, pose=STRAIGHT, light=LIGHT):
    face = expression(weights or {}).astype(np.float32)
    return render(make_identity(0, number), face, pose, VIEW, light, WALL)


def test_a_person_follows_from_seed_and_number():
    one = make_identity(3, 5)
    make_identity.cache_clear()
    two = make_identity(3, 5)
    np.testing.assert_array_equal(one.texture, two.texture)
    np.testing.assert_array_equal(one.body.vertices, two.body.vertices)
    assert one.voice.name == voice_of(3, 5).name
    assert one.traits.female == traits_of(3, 5).female
    assert not np.array_equal(one.body.rest, make_identity(4, 5).body.rest)


@pytest.mark.parametrize("number", range(8))
def test_people_are_rendered_without_flaws(number):
    picture, landmarks = shot(number)
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    np.testing.assert_array_equal(picture[0, 0], WALL[0, 0])
    inner = landmarks[17:]
    assert inner.min() > 15
    assert inner.max() < 81
    assert landmarks[36, 0] < landmarks[39, 0] < landmarks[42, 0] < landmarks[45, 0]
    assert landmarks[27, 1] < landmarks[33, 1] < landmarks[57, 1] < landmarks[8, 1]


def test_an_open_jaw_opens_the_lips_and_shows_the_dark_mouth():
    closed, closed_points = shot()
    opened, opened_points = shot(weights={"jawOpen": 0.8})
    gap = opened_points[66, 1] - opened_points[62, 1]
    assert gap > closed_points[66, 1] - closed_points[62, 1] + 3
    x, y = np.round(opened_points[[62, 66]].mean(axis=0)).astype(int)
    assert opened[y, x].mean() < 0.6 * closed[y, x].mean()


def test_turning_the_head_moves_nose_and_eyes():
    pose = STRAIGHT.copy()
    pose[0] = 0.3
    _, turned = shot(pose=pose)
    _, straight = shot()
    assert turned[30, 0] > straight[30, 0] + 3


def test_shadows_only_darken():
    lit, _ = shot(light=dataclasses.replace(LIGHT, shadow=0.0))
    shaded, _ = shot()
    assert (shaded <= lit + 1e-6).all()
    assert (shaded < lit - 0.02).mean() > 0.01


def test_what_lies_behind_gets_no_light():
    depth = np.full((8, 8), 5.0, np.float32)
    points = np.array([[4, 4, 5], [4, 4, 1], [4, 4, 4.9]], np.float32)
    np.testing.assert_allclose(received_light(points, depth, np.float32(0.5)), [1, 0, 1])


def test_cloth_begins_below_the_neckline():
    neckline = np.array([-12, 3, 4, 5, 0, 0, 0], np.float32)
    assert below_neckline(6.0, -13.0, 5.0, neckline) > 0
    assert below_neckline(0.0, -13.0, 5.0, neckline) < 0  # inside the V
    assert below_neckline(0.0, -13.0, -6.0, neckline) > 0  # it rises towards the back
