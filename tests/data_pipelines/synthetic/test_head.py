"""The asset is what the generator expects of it."""

import pathlib

import numpy as np
import pytest

from data_pipelines.synthetic import head as module
from data_pipelines.synthetic.head import EYE_LEFT, HIDDEN_EYE, SKIN, TONGUE, load_head


def test_the_mesh_is_whole():
    head = load_head()
    assert head.vertices.shape == (6340, 3)
    assert head.triangles.min() >= 0
    assert head.triangles.max() < len(head.vertices)
    assert set(head.part) >= {SKIN, EYE_LEFT, TONGUE}
    assert 0 <= head.occlusion.min() <= head.occlusion.max() <= 1
    assert 0 <= head.head_weight.min() <= head.head_weight.max() <= 1


def test_the_mean_head_is_symmetric_at_its_landmarks():
    head = load_head()
    points = head.vertices[head.landmarks]
    for left, right in ((36, 45), (39, 42), (48, 54), (0, 16), (31, 35)):
        mirrored = points[right] * [-1, 1, 1]
        np.testing.assert_allclose(points[left], mirrored, atol=0.25)
    assert points[8, 1] < points[33, 1] < points[27, 1]  # chin, nose tip, bridge: y is up


@pytest.mark.parametrize(
    ("name", "landmark", "axis", "sign"),
    [("jawOpen", 8, 1, -1), ("mouthSmileLeft", 54, 1, 1), ("browInnerUp", 21, 1, 1)],
)
def test_expressions_move_what_their_names_say(name, landmark, axis, sign):
    head = load_head()
    assert sign * head.expressions[name][head.landmarks[landmark], axis] > 0.1


def test_the_tongue_can_rise():
    head = load_head()
    raised = head.expressions["tongueUp"]
    assert raised[head.part == TONGUE, 1].max() > 0.5  # cm
    assert not raised[head.part != TONGUE].any()


def test_the_inward_half_of_an_eye_is_marked_as_hidden():
    head = load_head()
    eye = head.part == EYE_LEFT
    hidden = head.uv[eye, 0] > HIDDEN_EYE / 2
    depth = head.vertices[eye, 2]
    assert depth[hidden].max() <= depth[~hidden].min() + 1e-5


def test_the_licence_lies_beside_the_asset():
    folder = pathlib.Path(module.__file__).parent
    licence = (folder / "LICENSE-DATA.md").read_text()
    assert "CC0" in licence
