"""Where the face and the mouth are, as masks: from landmarks, or from a prepared record's boxes.

Local shape letters: p corners of the face's outline.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, Float32

# A prepared record's mouth box is this share of the face's height (`media.align`), and the crop is
# centred on the face.
_MOUTH_BOX_SHARE = 0.45
_FACE_WIDTH = 0.74  # of the face's height
_MOUTH_HEIGHT = 0.234  # the mouth's middle below the crop's, in face heights
# A turned head's mouth lies a little off the crop's middle, its visible skin this many times more.
_TURN = 2.5
_SUBPIXEL_BITS = 4


@dataclasses.dataclass(frozen=True)
class Regions:
    """What an operation may touch, frame by frame, in pixels.

    Attributes:
        faces: corners of the face's outline, without the top of the forehead.
        mouths: boxes x0, y0, x1, y1 from the nose to the chin.
    """

    faces: Float[np.ndarray, "t p 2"]
    mouths: Float[np.ndarray, "t 4"]


def regions_of_landmarks(landmarks: Float[np.ndarray, "t 68 2"]) -> Regions:
    """Regions of a face with the 68 iBUG landmarks, in any picture."""
    brows = landmarks[:, 26:16:-1] - [0.0, 2.0]
    left = 0.8 * landmarks[:, 3, 0] + 0.2 * landmarks[:, 48, 0]
    right = 0.8 * landmarks[:, 13, 0] + 0.2 * landmarks[:, 54, 0]
    mouths = np.stack([left, landmarks[:, 33, 1] - 1, right, landmarks[:, 8, 1] + 2], axis=1)
    return Regions(np.concatenate([landmarks[:, :17], brows], axis=1), mouths)


def regions_of_crop(mouth_boxes: Float[np.ndarray, "t 4"], size: int) -> Regions:
    """Regions in the aligned square crops of a prepared record, where the face has its known place.

    Only the mouth's box moves there; it tells how far the head is turned and the jaw open. The
    constants were measured on real clips.

    Args:
        mouth_boxes: the record's.
        size: the crop's height and width in pixels.
    """
    height = (mouth_boxes[:, 3] - mouth_boxes[:, 1]).mean() / _MOUTH_BOX_SHARE
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    ellipse = np.stack([np.cos(angle) * _FACE_WIDTH, np.sin(angle)], axis=1) * height / 2
    # Without the forehead, where hair may be.
    ellipse[:, 1] = np.maximum(ellipse[:, 1], -0.3 * height)
    faces = np.tile(ellipse, (len(mouth_boxes), 1, 1))
    middle = (size - 1) / 2
    turned, opened = ((mouth_boxes[:, :2] + mouth_boxes[:, 2:]) / 2 - middle).T
    faces[:, :, 0] += _TURN * turned[:, None]
    # The chin goes down by all that the mouth opens, the mouth's middle by half of it.
    below = np.clip(ellipse[:, 1] / (height / 2), 0, 1)
    faces[:, :, 1] += 2 * (opened - _MOUTH_HEIGHT * height)[:, None] * below
    return Regions(faces + middle, mouth_boxes)


def polygon_mask(
    corners: Float[np.ndarray, "p 2"], shape: tuple[int, int], *, grow: float, feather: float
) -> Float32[np.ndarray, "h w"]:
    """1 inside a polygon that was scaled about its middle, the border softened by a Gaussian.

    Args:
        corners: x, y in pixels.
        shape: height and width of the mask.
        grow: factor of the polygon's size.
        feather: deviation of the Gaussian in pixels, greater than 0.
    """
    middle = corners.mean(axis=0)
    scaled = np.round((middle + (corners - middle) * grow) * 2**_SUBPIXEL_BITS).astype(np.int32)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [scaled], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), feather)


def box_mask(
    box: Float[np.ndarray, " 4"], shape: tuple[int, int], *, feather: float
) -> Float32[np.ndarray, "h w"]:
    """1 inside a box x0, y0, x1, y1, the border softened by a Gaussian of `feather` pixels."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return polygon_mask(corners, shape, grow=1.0, feather=feather)
