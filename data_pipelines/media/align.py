"""Brings a face to one place and size: a similarity transform from stable points to a square crop.

Only points that speech does not move take part, so that the crop does not nod with the jaw; the
mouth is free to move inside it. Knows landmarks and images, nothing of files or time.
"""

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

# Points of MediaPipe's 468-point mesh -> where they lie in the canonical face. It is upright, its
# origin is midway between the top of the forehead (point 10) and the chin (152); their distance,
# the face's height, is its unit. Measured: the symmetrised Procrustes median of 417 video frames.
CANONICAL_FACE = {
    33: (-0.272, -0.189),  # corners of the eyes
    133: (-0.104, -0.182),
    362: (0.104, -0.182),
    263: (0.272, -0.189),
    168: (0.0, -0.216),  # bridge of the nose
    6: (0.0, -0.171),
    197: (0.0, -0.128),
    98: (-0.1, 0.076),  # below the nostrils
    327: (0.1, 0.076),
    2: (0.0, 0.084),
}
STABLE_POINTS = tuple(CANONICAL_FACE)
LIP_POINTS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375,
              291, 409, 270, 269, 267, 0, 37, 39, 40, 185)  # fmt: skip

_MOUTH_SIDE = 0.45  # of the face's height: the open mouth with some cheek and chin


def crop_matrices(
    stable: Float[np.ndarray, "t p 2"], size: int, margin: float
) -> Float64[np.ndarray, "t 2 3"]:
    """Least-squares similarity transforms from image pixels to the canonical square crop.

    Args:
        stable: the `STABLE_POINTS` of each frame in pixels of the image.
        size: of the crop in pixels.
        margin: how much wider the crop is than the face is high, e.g. 0.3 for 1.3 times.

    Returns:
        [t 2 3] matrices for `warp_square`.

    References:
        Umeyama, Least-squares estimation of transformation parameters between two point patterns,
        1991; in the plane, without reflections, it is one division of complex numbers.
    """
    target = np.array(list(CANONICAL_FACE.values())) * size / (1 + margin)
    target = target[:, 0] + 1j * target[:, 1]
    points = stable[..., 0].astype(float) + 1j * stable[..., 1]
    mean = points.mean(axis=1, keepdims=True)
    centred = points - mean
    target_mean = target.mean()
    spread = np.maximum((np.abs(centred) ** 2).sum(axis=1), 1e-12)
    turn = (centred.conj() @ (target - target_mean)) / spread  # scale and rotation in one number
    shift = target_mean - turn * mean[:, 0] + (1 + 1j) * (size - 1) / 2
    rows = np.stack([turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag], axis=1)
    return rows.reshape(-1, 2, 3)


def mouth_boxes(
    lips: Float[np.ndarray, "t p 2"], matrices: Float[np.ndarray, "t 2 3"], size: int, margin: float
) -> Float64[np.ndarray, "t 4"]:
    """Square boxes around the mouth in pixels of the crop: x0, y0, x1, y1, inside the crop.

    All have one size, a share of the canonical face: a box that followed the lips would undo the
    very opening and closing that sync is read from.
    """
    linear, shift = matrices[:, :, :2], matrices[:, :, 2]
    in_crop = np.einsum("tij,tpj->tpi", linear, lips) + shift[:, None]
    centre = (in_crop.min(axis=1) + in_crop.max(axis=1)) / 2
    side = min(_MOUTH_SIDE * size / (1 + margin), size)
    low = np.clip(centre - side / 2, 0, size - side)
    return np.concatenate([low, low + side], axis=1)


def warp_square(
    image: UInt8[np.ndarray, "h w 3"], matrix: Float[np.ndarray, "2 3"], size: int
) -> UInt8[np.ndarray, "size size 3"]:
    """A `size` by `size` view of the image; black where it lies outside.

    Strong reductions first average whole blocks of pixels: bilinear sampling alone would alias, and
    aliasing looks like a forger's artefact.
    """
    block = int(1 / np.sqrt(max(abs(np.linalg.det(matrix[:, :2])), 1e-12)))
    if block >= 2:
        image, matrix = _reduce(image, matrix, size, block)
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)


def _reduce(
    image: UInt8[np.ndarray, "h w 3"], matrix: Float[np.ndarray, "2 3"], size: int, block: int
) -> tuple[UInt8[np.ndarray, "rh rw 3"], Float64[np.ndarray, "2 3"]]:
    """The part of the image that the view shows, `block` times smaller, and the matrix for it."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], float)
    inside = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    bounds = np.array(image.shape[1::-1])
    low = np.clip(np.floor(inside.min(axis=0)) - block, 0, bounds).astype(int)
    high = np.clip(np.ceil(inside.max(axis=0)) + block, 0, bounds).astype(int)
    columns, rows = (high - low) // block
    if columns < 1 or rows < 1:  # the view lies outside the image
        return np.zeros((1, 1, 3), np.uint8), np.array([[1.0, 0, -size], [0, 1, -size]])
    part = image[low[1] : low[1] + rows * block, low[0] : low[0] + columns * block]
    part = cv2.resize(part, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
    # Pixel i of the reduced part is centred on low + block * i + (block - 1) / 2.
    linear = matrix[:, :2] * block
    shift = matrix[:, :2] @ (low + (block - 1) / 2) + matrix[:, 2]
    return part, np.concatenate([linear, shift[:, None]], axis=1)
