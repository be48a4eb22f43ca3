"""Models what the base mesh lacks: rounded teeth along the jaws' biting edges, and eyeballs.

Pure geometry in centimetres, but for the biting edge and the gums, which are read off the base
mesh's plain strips in decimetres.
"""

import numpy as np

_CROWN_LEVELS = ((-0.12, 0.84, 1.0), (0.4, 0.97, 1.02), (0.88, 0.99, 0.66), (1.0, 0.9, 0.42))
_CROWN_CORNERS = 10


def biting_edge(points: np.ndarray, sign: int) -> np.ndarray:
    """From the middle to the back of one side, decimetres: at each angle the outermost end."""
    centre = 0.9
    angles = np.arctan2(np.abs(points[:, 0]), points[:, 2] - centre)
    edge = []
    for angle in np.linspace(0, np.arctan2(0.309, 0.967 - centre), 9):
        near = points[(np.abs(angles - angle) < 0.14) & (points[:, 0] > -0.01)]
        radius = np.hypot(near[:, 0], near[:, 2] - centre)
        near = near[radius > radius.max() - 0.06]
        tip = near[(sign * near[:, 1]).argmin()]
        edge.append([abs(tip[0]), tip[1], tip[2]])
    edge = np.array(sorted(edge, key=lambda tip: np.arctan2(tip[0], tip[2] - centre)))
    apart = np.linalg.norm(np.diff(edge, axis=0), axis=1) > 0.02
    return edge[np.concatenate([[True], apart])]


def gum(point: np.ndarray, edge: np.ndarray, sign: int) -> np.ndarray:
    """A point of a strip of teeth, drawn back to where the crowns begin."""
    backwards = np.argsort(-edge[:, 2])
    border = np.interp(-point[2], -edge[backwards, 2], edge[backwards, 1]) + sign * 0.078
    height = max(point[1], border) if sign > 0 else min(point[1], border)
    return np.array([point[0] * 0.975, height, point[2] - 0.012])


def dental_arch(edge: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Six teeth a side along the biting edge (cm): points and triangles."""
    along = np.concatenate(
        [[0], np.cumsum(np.linalg.norm(np.diff(edge[:, [0, 2]], axis=0), axis=1))]
    )
    widths = (0.86, 0.68, 0.76, 0.7, 0.68, 1.0) if upper else (0.54, 0.6, 0.7, 0.71, 0.71, 1.08)
    points, triangles = [], []
    for side in (1, -1):
        start = 0.02
        for tooth, width in enumerate(widths):
            middle = start + width / 2
            start += width
            centre, before, after = (
                np.array([np.interp(place, along, axis) for axis in edge.T])
                for place in (middle, middle - 0.05, middle + 0.05)
            )
            tangent = (after - before) * [1, 0, 1] / np.hypot(*(after - before)[[0, 2]])
            crown = _crown(centre, tangent, tooth, width, upper)
            # Counter-clockwise from outside, on either side and in either jaw.
            faces = _crown_triangles() + len(points)
            triangles.extend(faces if (side == 1) == upper else faces[:, ::-1])
            points.extend(crown * [side, 1, 1])
    return np.array(points), np.array(triangles)


def _crown(
    centre: np.ndarray, tangent: np.ndarray, tooth: int, width: float, upper: bool
) -> np.ndarray:
    """One tooth: rings of a rounded box from the gum to the edge, and a cap."""
    height = (
        (0.98, 0.86, 0.98, 0.82, 0.76, 0.7) if upper else (0.84, 0.84, 0.94, 0.82, 0.76, 0.7)
    )[tooth]
    depth = ((0.52, 0.5, 0.66, 0.84, 0.86, 1.0) if upper else (0.46, 0.48, 0.62, 0.76, 0.8, 1.0))[
        tooth
    ]
    molar, sign = tooth >= 3, 1 if upper else -1
    outwards = np.array([-tangent[2], 0, tangent[0]])
    angles = np.arange(_CROWN_CORNERS) * 2 * np.pi / _CROWN_CORNERS
    points = []
    for level, wide, deep in _CROWN_LEVELS:
        reach = depth / 2 * (1 - (1 - deep) * (0.25 if molar else 1))
        lean = (0 if molar else -0.03) * (1 - level)
        longer = -sign * 0.05 if tooth == 2 and level == 1.0 else 0  # the canine
        for angle in angles:
            across = _rounded(np.cos(angle)) * width * 0.485 * wide
            out = _rounded(np.sin(angle)) * reach - reach + lean - 0.02
            rise = height * (1 - level) * sign + longer
            points.append(centre + tangent * across + outwards * out + [0, rise, 0])
    cap = centre - outwards * depth * 0.3 + [0, sign * 0.03 if molar else 0, 0]
    return np.array([*points, cap])


def _rounded(value: float) -> float:
    return np.sign(value) * np.abs(value) ** 0.55


def _crown_triangles() -> np.ndarray:
    rings, corners = len(_CROWN_LEVELS), _CROWN_CORNERS
    triangles = []
    for ring in range(rings - 1):
        for corner in range(corners):
            a, b = ring * corners + corner, ring * corners + (corner + 1) % corners
            triangles += [[a, b, a + corners], [b, b + corners, a + corners]]
    last = (rings - 1) * corners
    triangles += [[last + c, last + (c + 1) % corners, rings * corners] for c in range(corners)]
    return np.array(triangles)


def sphere(centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Its pole looks forwards, where the rows are denser, around the iris."""
    rows, columns = 9, 16
    polar = np.pi * np.linspace(0, 1, rows + 2)[1:-1] ** 1.15
    around = np.arange(columns) * 2 * np.pi / columns
    body = [
        [np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)] for p in polar for a in around
    ]
    points = np.array([[0, 0, 1.0], *body, [0, 0, -1.0]])
    following = [(c + 1) % columns for c in range(columns)]
    triangles = [[0, 1 + c, 1 + following[c]] for c in range(columns)]
    for row in range(rows - 1):
        for c in range(columns):
            a, b = 1 + row * columns + c, 1 + row * columns + following[c]
            triangles += [[a, a + columns, b], [b, a + columns, b + columns]]
    last = len(points) - 1
    triangles += [[last, last - columns + following[c], last - columns + c] for c in range(columns)]
    return centre + radius * points, np.array(triangles)
