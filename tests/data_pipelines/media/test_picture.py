"""Pictures are shown as their files mean them: pixels square, upright, not mirrored."""

import fractions
import struct

import cv2
import numpy as np
import pytest

from data_pipelines.media.decode import read_video
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits

LIMITS = MediaLimits()
# EXIF's number -> a, b, c, d of the display matrix, and what it does to the stored picture.
ORIENTATIONS = {
    1: ((1, 0, 0, 1), lambda image: image),
    2: ((-1, 0, 0, 1), np.fliplr),
    3: ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    4: ((1, 0, 0, -1), np.flipud),
    5: ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    6: ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    7: ((0, -1, -1, 0), lambda image: np.rot90(image.swapaxes(0, 1), 2)),
    8: ((0, -1, 1, 0), np.rot90),
}


def first_frame(path, limits=LIMITS):
    facts = {}
    frames = list(read_video(path, limits, facts))
    return frames[0].image, facts


@pytest.mark.parametrize("number", ORIENTATIONS)
def test_all_eight_orientations_are_shown_as_meant(tmp_path, write_media, number):
    stored = np.full((64, 96, 3), 20, np.uint8)
    stored[:20], stored[:, :30, 0] = 230, 150  # no two sides alike
    path = write_media(tmp_path / "a.mp4", [stored] * 5)
    plain, _ = first_frame(path)
    matrix, turn = ORIENTATIONS[number]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    a, b, c, d = ((value << 16).to_bytes(4, "big", signed=True) for value in matrix)
    content[at : at + 20] = a + b + bytes(4) + c + d
    path.write_bytes(content)
    shown, facts = first_frame(path)
    np.testing.assert_array_equal(shown, turn(plain))
    assert facts["orientation"] == str(number)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.ts", "libx264"), ("b.mp4", "libx264"), ("a.mpg", "mpeg2video")],
)
@pytest.mark.parametrize(("wide", "high"), [(16, 15), (64, 45), (8, 9)])
def test_pixels_become_square(tmp_path, write_media, name, codec, wide, high):
    """The ratio stands in the stream; where the container has another, that one counts."""
    aspect = fractions.Fraction(wide, high)
    width, height = 320 / max(aspect, 1), 240 * min(aspect, 1)
    size = 2 * round(width / 2), 2 * round(height / 2)
    if codec == "mpeg2video":  # it knows whole pictures' shapes only
        aspect = fractions.Fraction(16, 9) / fractions.Fraction(*size)
    drawn = np.full((240, 320, 3), 40, np.uint8)
    cv2.circle(drawn, (160, 120), 80, (220, 200, 180), -1, cv2.LINE_AA)
    stored = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    written = fractions.Fraction(3, 2) if name == "b.mp4" else aspect
    path = write_media(tmp_path / name, [stored] * 5, codecs=(codec, ""), pixel_aspect=written)
    if name == "b.mp4":
        content = path.read_bytes()
        ratios = [b"pasp" + struct.pack(">II", *pair) for pair in ((3, 2), (wide, high))]
        assert ratios[0] in content
        path.write_bytes(content.replace(*ratios))
    shown, facts = first_frame(path)
    columns, rows = ((shown.mean(axis=2) > 120).sum(axis=axis).max() for axis in (0, 1))
    if codec == "mpeg2video":
        assert shown.shape[1] / shown.shape[0] == pytest.approx(16 / 9, rel=0.02)
        return
    assert shown.shape[:2] == pytest.approx((240, 320), abs=1)
    assert columns == pytest.approx(160, abs=2)
    assert rows == pytest.approx(160, abs=2)
    assert facts["pixel_aspect"] == f"{wide}:{high}"


def test_pixels_that_are_nearly_square_are_left_alone(tmp_path, write_media, grey):
    path = write_media(
        tmp_path / "a.mp4", [grey(90)] * 3, pixel_aspect=fractions.Fraction(427, 426)
    )
    image, facts = first_frame(path)
    assert image.shape == (64, 96, 3)
    assert facts["pixel_aspect"] == "427:426"


def test_absurd_pixels_are_refused(tmp_path, write_media, grey):
    path = write_media(tmp_path / "a.mp4", [grey(90)] * 3, pixel_aspect=fractions.Fraction(4, 1))
    with pytest.raises(MediaError, match="too_large: frames of 384x64"):
        first_frame(path, MediaLimits(max_pixels=10_000))
