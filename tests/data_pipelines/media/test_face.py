import numpy as np
import pytest

from data_pipelines.media import face
from data_pipelines.media.face import Region, box_iou, face_models, region_of_mesh

LIPS_LEFT, LIPS_RIGHT = 61, 291


def test_mesh_lies_on_the_face(draw_face):
    image = draw_face(centre=(150, 100), radius=60)
    (detection,) = face_models().detect(image)
    mesh = face_models().mesh(image, detection.region).points
    mouth = (mesh[LIPS_LEFT] + mesh[LIPS_RIGHT]) / 2
    np.testing.assert_allclose(mouth, [150, 100 + 0.58 * 60], atol=5)
    eyes = (mesh[face.RIGHT_EYE_OUTER] + mesh[face.LEFT_EYE_OUTER]) / 2
    np.testing.assert_allclose(eyes, [150, 100 - 0.1 * 60], atol=5)


def test_mesh_follows_from_its_own_region(draw_face):
    image = draw_face()
    mesh = face_models().mesh(image, face_models().detect(image)[0].region).points
    again = face_models().mesh(image, region_of_mesh(mesh)).points
    assert np.abs(again - mesh).mean() < 2


def test_no_face_in_noise():
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    assert face_models().search(noise) == []
    region = Region(np.array([160.0, 120.0]), 100.0, 0.0)
    assert face_models().mesh(noise, region) is None


def test_search_finds_faces_too_small_for_the_whole_frame(draw_face):
    image = draw_face(width=1280, height=720, centre=(900, 300), radius=15)
    assert face_models().detect(image) == []
    found = face_models().search(image)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].region.centre, [900, 303], atol=10)


def test_largest_face_comes_first(draw_face):
    left = draw_face(width=200, height=240, centre=(100, 110), radius=30)
    right = draw_face(width=200, height=240, centre=(100, 110), radius=60)
    found = face_models().detect(np.concatenate([left, right], axis=1))
    assert len(found) == 2
    assert found[0].region.centre[0] > 200 > found[1].region.centre[0]


def test_region_matrix_turns_the_eyes_level():
    region = Region(np.array([100.0, 50.0]), 40.0, np.pi / 2)
    matrix = region.matrix(192)
    to_view = lambda p: matrix[:, :2] @ np.array(p) + matrix[:, 2]  # noqa: E731
    np.testing.assert_allclose(to_view([100, 50]), [96, 96])
    np.testing.assert_allclose(to_view([100, 60]), [144, 96])  # down the tilted eye line: right


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1.0),
        ([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),
        ([0, 0, 2, 2], [5, 5, 6, 6], 0.0),
    ],
)
def test_box_iou(a, b, expected):
    assert box_iou(np.array(a, float), np.array(b, float)) == pytest.approx(expected)


def test_another_model_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "face_landmark.tflite").write_bytes(b"something else")
    monkeypatch.setattr(face, "ASSETS", tmp_path)
    with pytest.raises(ValueError, match=r"face_landmark\.tflite is not the model"):
        face._load("face_landmark.tflite")
