"""Finds the vertices of the 68 iBUG landmarks: by place on the face, or on seams of the mesh."""

import numpy as np

from data_pipelines.synthetic.head import SKIN

# Where the landmarks of the subject's left half (iBUG-68) lie in a front view, cm. The other half
# is mirrored; eyelids and inner lips come from seams of the mesh.
_FRONT_LANDMARKS = {
    8: (0, -7.5), 9: (1.9, -7.2), 10: (3.6, -6.4), 11: (4.85, -5.3), 12: (5.8, -4.0),
    13: (6.5, -2.3), 14: (6.95, -0.4), 15: (7.15, 1.5), 16: (7.2, 3.3),
    22: (1.35, 4.95), 23: (2.3, 5.2), 24: (3.3, 5.3), 25: (4.3, 5.1), 26: (5.15, 4.6),
    27: (0, 3.6), 28: (0, 2.4), 29: (0, 1.2), 30: (0, -0.1),
    33: (0, -1.15), 34: (0.75, -1.0), 35: (1.5, -0.7),
    51: (0, -2.6), 52: (0.85, -2.4), 53: (1.75, -2.75), 54: (2.65, -3.3), 55: (1.7, -3.85),
    56: (0.9, -4.05), 57: (0, -4.15),
}  # fmt: skip
_MIRRORED = {i: 16 - i for i in range(8)} | {
    17: 26, 18: 25, 19: 24, 20: 23, 21: 22, 31: 35, 32: 34, 48: 54, 49: 53, 50: 52, 59: 55, 58: 56,
}  # fmt: skip
_OUTER_LIP_RING = 6  # mesh rings from the line between the lips to the border of the red


def find_landmarks(
    vertices: np.ndarray, normals: np.ndarray, parts: np.ndarray, rings: np.ndarray,
    lips: np.ndarray, lids: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """[68] the vertices of the iBUG landmarks."""
    landmarks = np.full(68, -1)
    landmarks[60], landmarks[64] = _extremes(vertices, lips)
    for number, x, upper in (
        (61, -1.1, True), (62, 0, True), (63, 1.1, True),
        (65, 1.1, False), (66, 0, False), (67, -1.1, False),
    ):  # fmt: skip
        landmarks[number] = _on_seam(vertices, lips, x, upper)
    for side, eye in ((-1, (36, 37, 38, 39, 40, 41)), (1, (45, 44, 43, 42, 47, 46))):
        rim = lids[vertices[lids, 0] * side > 0]
        aside = np.abs(vertices[rim, 0])
        inner, width = aside.min(), np.ptp(aside)
        landmarks[eye[0]], landmarks[eye[3]] = rim[aside.argmax()], rim[aside.argmin()]
        places = ((1, 0.68, True), (2, 0.34, True), (4, 0.34, False), (5, 0.68, False))
        for corner, share, upper in places:
            x = side * (inner + width * share)
            landmarks[eye[corner]] = _on_seam(vertices, rim, x, upper)
    front = (parts == SKIN) & (normals[:, 2] > -0.2) & (vertices[:, 2] > -1)
    mirrored = {left: right for right, left in _MIRRORED.items()}
    for number, place in _FRONT_LANDMARKS.items():
        candidates = front & (vertices[:, 0] > -0.05)
        if number >= 48:
            candidates = candidates & (rings == _OUTER_LIP_RING)
        landmarks[number] = _nearest(vertices[:, :2], candidates, np.array(place))
        if number in mirrored:
            opposite = vertices[landmarks[number]] * [-1, 1, 1]
            landmarks[mirrored[number]] = _nearest(vertices, front, opposite)
    return landmarks.astype(np.int16)


def _extremes(vertices: np.ndarray, numbers: np.ndarray) -> tuple[int, int]:
    across = vertices[numbers, 0]
    return int(numbers[across.argmin()]), int(numbers[across.argmax()])


def _on_seam(vertices: np.ndarray, seam: np.ndarray, x: float, upper: bool) -> int:
    """The seam's vertex nearest to `x`, in its upper or its lower half."""
    points = vertices[seam]
    wrong_half = (points[:, 1] > np.median(points[:, 1])) != upper
    return int(seam[(np.abs(points[:, 0] - x) + 5 * wrong_half).argmin()])


def _nearest(points: np.ndarray, candidates: np.ndarray, place: np.ndarray) -> int:
    numbers = np.flatnonzero(candidates)
    return int(numbers[np.linalg.norm(points[numbers] - place, axis=1).argmin()])
