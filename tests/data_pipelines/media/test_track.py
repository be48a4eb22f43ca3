import numpy as np
import pytest

from data_pipelines.media.align import LIP_POINTS
from data_pipelines.media.face import FaceModels, face_models
from data_pipelines.media.track import bridged, smoothed, track_faces


def track(images):
    return track_faces(iter(images), face_models(), min_frames=5)


@pytest.fixture(scope="module")
def blank():
    return np.full((240, 320, 3), 90, np.uint8)


def test_a_moving_face_is_one_track(draw_face):
    result = track([draw_face(centre=(100 + 4 * i, 110)) for i in range(30)])
    assert (result.num_frames, result.max_faces, len(result.tracks)) == (30, 1, 1)
    (face,) = result.tracks
    assert (face.first, len(face), face.found) == (0, 30, 1.0)
    mouths = face.lips.mean(axis=1)
    np.testing.assert_allclose(mouths[3:-3, 0], 100 + 4 * np.arange(3, 27), atol=5)
    assert face.lips.shape[1] == len(LIP_POINTS)


def test_a_short_gap_is_bridged_and_a_long_one_is_not(draw_face, blank):
    face = draw_face()
    (bridge,) = track([face] * 8 + [blank] * 6 + [face] * 8).tracks
    assert (bridge.first, len(bridge)) == (0, 22)
    assert bridge.found == pytest.approx(16 / 22)
    first, second = track([face] * 8 + [blank] * 20 + [face] * 8).tracks
    assert (first.first, len(first)) == (0, 8)
    assert (second.first, len(second)) == (28, 8)


def test_a_track_does_not_outlast_its_face(draw_face, blank):
    (face,) = track([draw_face()] * 10 + [blank] * 5).tracks
    assert len(face) == 10


def test_the_larger_face_is_taken_and_the_smaller_fills_the_rest(draw_face, blank):
    small = draw_face(width=200, centre=(100, 110), radius=30)
    large = draw_face(width=200, centre=(100, 110), radius=60)
    both = np.concatenate([small, large], axis=1)
    alone = np.concatenate([small, blank[:, :200]], axis=1)
    result = track([both] * 26 + [alone] * 12)
    assert result.max_faces == 2
    first, second = result.tracks
    assert (first.first, len(first)) == (0, 26)
    assert first.stable[:, :, 0].mean() > 200
    assert (second.first, len(second)) == (26, 12)
    assert second.stable[:, :, 0].mean() < 200


def test_a_jump_to_another_place_is_another_face(draw_face):
    left, right = draw_face(centre=(80, 110), radius=50), draw_face(centre=(240, 110), radius=50)
    result = track([left] * 10 + [right] * 30)
    assert sorted(round(t.stable[:, :, 0].mean()) // 160 for t in result.tracks) == [0, 1]


@pytest.fixture(scope="module")
def other_person(draw_face):
    """Beard and light hair before a bright wall, where `draw_face` stands before a dark one."""
    image = draw_face(mouth=0.3).astype(int)
    rows, columns = np.mgrid[:240, :320]
    beard = (
        (rows > 130) & (abs(rows - 145) > 9) & ((rows - 130) ** 2 + (columns - 160) ** 2 < 46**2)
    )
    image[beard] //= 4
    hair = (image == (60, 40, 30)).all(axis=2)
    image[hair] = 225, 200, 150
    wall = (image == (70, 90, 110)).all(axis=2)
    image[wall] = 235
    return image.astype(np.uint8)


def test_a_cut_to_another_face_in_the_same_place_is_another_track(draw_face, other_person):
    before = [draw_face(centre=(150 + i, 110), mouth=0.1 + 0.1 * (i % 2)) for i in range(12)]
    first, second = track([*before, *[other_person] * 12]).tracks
    assert (first.first, len(first)) == (0, 12)
    assert (second.first, len(second)) == (12, 12)


def test_a_short_cut_to_another_picture_ends_the_track(draw_face):
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    elsewhere = np.kron(noise, np.ones((10, 10, 1), np.uint8))
    tracks = track([draw_face()] * 10 + [elsewhere] * 6 + [draw_face()] * 10).tracks
    assert [(t.first, len(t)) for t in tracks] == [(0, 10), (16, 10)]


def test_light_that_changes_is_no_cut(draw_face):
    dim = (draw_face() * 0.4).astype(np.uint8)
    (face,) = track([draw_face()] * 10 + [dim] * 10).tracks
    assert len(face) == 20


def test_a_picture_that_stands_is_looked_at_for_a_second(draw_face, blank):
    models = _Counting()
    face = draw_face()
    tracking = track_faces([face] * 200 + [blank] * 200 + [draw_face()] * 50, models, 12)
    assert [(track.first, len(track)) for track in tracking.tracks] == [(0, 200), (400, 50)]
    assert tracking.num_frames == 450
    assert tracking.tracks[0].found == 1.0
    np.testing.assert_allclose(tracking.tracks[0].stable[100], tracking.tracks[0].stable[150])
    assert models.looks < 120  # of 450 frames


class _Counting(FaceModels):
    """Counts how often a picture is looked at."""

    looks = 0

    def mesh(self, image, region):
        self.looks += 1
        return super().mesh(image, region)

    def detect(self, image, zoom=1.0):
        self.looks += 1
        return super().detect(image, zoom)


def test_no_face_no_track(blank):
    result = track([blank] * 10)
    assert (result.tracks, result.num_frames, result.max_faces) == ([], 10, 0)


def test_bridged_draws_straight_lines():
    known = np.array([[[0.0, 10.0]], [[4.0, 10.0]], [[4.0, 20.0]]])
    seen = np.array([True, False, False, False, True, True])
    expected = [[0, 10], [1, 10], [2, 10], [3, 10], [4, 10], [4, 20]]
    np.testing.assert_allclose(bridged(known, seen)[:, 0], expected)


def test_smoothing_calms_trembling_without_delay():
    rng = np.random.default_rng(0)
    path = np.stack([np.linspace(0, 90, 60), np.full(60, 7.0)], axis=1)[:, None]
    noisy = path + rng.normal(size=path.shape)
    smooth = smoothed(noisy)
    trembling = [np.abs(np.diff(points - path, axis=0)).mean() for points in (smooth, noisy)]
    assert trembling[0] < 0.3 * trembling[1]
    assert np.abs((smooth - path)[5:-5].mean()) < 0.2
    np.testing.assert_allclose(smoothed(np.full((4, 1, 2), 3.0)), 3.0)
