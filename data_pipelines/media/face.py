"""Finds faces in one image and lays a mesh of 468 points over each: MediaPipe's models on LiteRT.

Owns the two models, what goes into them and what comes out. Knows nothing of time (see `track`).
"""

import dataclasses
import functools
import hashlib
import pathlib

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float, Float32, Float64, UInt8

from data_pipelines.media.align import warp_square

ASSETS = pathlib.Path(__file__).parent / "assets"
MODEL_SHA256 = {
    "face_detection_full_range.tflite": (
        "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3"
    ),
    "face_landmark.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263  # in the mesh; right and left as the person's own

_INPUT = 192  # pixels, both models
_GRID = 48  # the detector's anchors: one in each cell of 4 by 4 pixels
_MIN_SCORE = 0.5  # MediaPipe's own thresholds
_MIN_PRESENCE = 0.5
_SAME_FACE_IOU = 0.3
_REGION_SCALE = 1.5  # the mesh wants a quarter of the face's size around it on each side
_SMALLEST_TILE = 160  # pixels; smaller tiles would only be magnified
_TILE_LEVELS = (2, 4)


@dataclasses.dataclass(frozen=True)
class Region:
    """A rotated square of the image that the mesh model looks at.

    Attributes:
        centre: x, y in pixels.
        side: in pixels.
        angle: of the line through the eyes, in radians, positive clockwise on the screen.
    """

    centre: Float64[np.ndarray, "2"]
    side: float
    angle: float

    def matrix(self, size: int) -> Float64[np.ndarray, "2 3"]:
        """The map from image pixels to a `size` by `size` view of the region."""
        scale = size / self.side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        linear = np.array([[cos, sin], [-sin, cos]])
        return np.concatenate([linear, (size / 2 - linear @ self.centre)[:, None]], axis=1)


@dataclasses.dataclass(frozen=True)
class Detection:
    """A face that the detector found.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        score: in [0.5, 1].
        region: where to lay the mesh.
    """

    box: Float64[np.ndarray, "4"]
    score: float
    region: Region


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A face that the mesh model saw.

    Attributes:
        points: in pixels of the image.
        view: what the model looked at, RGB: the face upright, in the middle.
    """

    points: Float32[np.ndarray, "468 2"]
    view: UInt8[np.ndarray, "192 192 3"]


class FaceModels:
    """Detector and mesh, each with its own buffers: one instance a thread."""

    def __init__(self) -> None:
        self._detector = _load("face_detection_full_range.tflite")
        self._mesh = _load("face_landmark.tflite")

    def detect(self, image: UInt8[np.ndarray, "h w 3"], zoom: float = 1.0) -> list[Detection]:
        """Faces in an RGB image, largest first; finds those from about 1/14 of the longer side.

        Args:
            image: to look at.
            zoom: below 1, show the image smaller than the detector's input: it was made for faces
                at a distance and misses close-ups in profile.
        """
        height, width = image.shape[:2]
        scale = zoom * _INPUT / max(height, width)
        shown = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, shown, interpolation=cv2.INTER_AREA)
        left, top = (_INPUT - shown[0]) // 2, (_INPUT - shown[1]) // 2
        letterbox = np.zeros((_INPUT, _INPUT, 3), np.float32)
        letterbox[top : top + shown[1], left : left + shown[0]] = small / np.float32(127.5) - 1
        raw, logits = _run(self._detector, letterbox)
        boxes, points, scores = _decode(raw.reshape(-1, 8, 2), logits.ravel())
        offset = np.array([left, top])
        boxes = (boxes.reshape(-1, 2, 2) - offset) / scale
        points = (points - offset) / scale
        found = [
            Detection(box.ravel(), float(score), _region_of_eyes(box, eyes[0], eyes[1]))
            for box, eyes, score in zip(boxes, points, scores, strict=True)
        ]
        return sorted(found, key=lambda detection: -detection.region.side)

    def search(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Detection]:
        """As `detect`; failing that zoomed out, then in ever smaller overlapping tiles."""
        found = self.detect(image) or self.detect(image, zoom=0.5)
        for level in _TILE_LEVELS:
            side = max(image.shape[:2]) // level
            if found or side < _SMALLEST_TILE:
                break
            tiles = [
                self.detect_within(image, np.array([x, y, x + side, y + side], float))
                for y in _tile_starts(image.shape[0], side)
                for x in _tile_starts(image.shape[1], side)
            ]
            found = _largest_of_each([detection for tile in tiles for detection in tile])
        return found

    def detect_within(
        self, image: UInt8[np.ndarray, "h w 3"], box: Float[np.ndarray, "4"]
    ) -> list[Detection]:
        """As `detect`, in the part of the image inside a box; results in the image's pixels."""
        height, width = image.shape[:2]
        x0, x1 = np.clip(box[[0, 2]], 0, width).astype(int)
        y0, y1 = np.clip(box[[1, 3]], 0, height).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return []
        shift = np.array([x0, y0], float)
        return [
            Detection(
                found.box + np.tile(shift, 2),
                found.score,
                dataclasses.replace(found.region, centre=found.region.centre + shift),
            )
            for found in self.detect(image[y0:y1, x0:x1])
        ]

    def mesh(self, image: UInt8[np.ndarray, "h w 3"], region: Region) -> Mesh | None:
        """The mesh laid over a region, or None where it shows no face."""
        matrix = region.matrix(_INPUT)
        view = warp_square(image, matrix, _INPUT)
        points, presence = _run(self._mesh, view.astype(np.float32) / 255)
        if _sigmoid(presence).item() < _MIN_PRESENCE:
            return None
        points = points.reshape(468, 3)[:, :2]
        points = (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        return Mesh(points.astype(np.float32), view)


@functools.cache
def face_models() -> FaceModels:
    """The process's own pair of models, loaded on first use."""
    return FaceModels()


def region_of_mesh(points: Float[np.ndarray, "468 2"]) -> Region:
    """Where to look for the same face in the next frame."""
    eyes = points[LEFT_EYE_OUTER] - points[RIGHT_EYE_OUTER]
    angle = float(np.arctan2(eyes[1], eyes[0]))
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = points @ axes.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre = axes.T @ ((low + high) / 2)
    return Region(centre.astype(float), float(max(high - low)) * _REGION_SCALE, angle)


def box_of_points(points: Float[np.ndarray, "p 2"]) -> Float64[np.ndarray, "4"]:
    """The upright box x0, y0, x1, y1 around points."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(float)


def box_iou(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1; 0 where they do not meet."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return float(common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common))


def _region_of_eyes(
    box: Float[np.ndarray, "2 2"],
    right_eye: Float[np.ndarray, "2"],
    left_eye: Float[np.ndarray, "2"],
) -> Region:
    x, y = left_eye - right_eye
    side = float(max(box[1] - box[0])) * _REGION_SCALE
    return Region(box.mean(axis=0).astype(float), side, float(np.arctan2(y, x)))


def _decode(
    raw: Float32[np.ndarray, "n 8 2"], logits: Float32[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "k 4"], Float[np.ndarray, "k 6 2"], Float[np.ndarray, " k"]]:
    """The detector's output in pixels of its input: boxes, key points (eyes first), scores.

    Overlapping boxes are averaged by score instead of suppressed, as MediaPipe does: the box then
    trembles less from frame to frame.
    """
    scores = _sigmoid(logits)
    (above,) = np.nonzero(scores > _MIN_SCORE)
    rows, columns = np.divmod(above, _GRID)
    anchors = (np.stack([columns, rows], axis=1) + 0.5) * (_INPUT / _GRID)
    centres, sizes = raw[above, 0] + anchors, raw[above, 1]
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1).astype(float)
    points, scores = raw[above, 2:] + anchors[:, None], scores[above]
    kept = []
    left = np.argsort(-scores, kind="stable")
    while left.size:
        same = np.array([box_iou(boxes[left[0]], boxes[i]) > _SAME_FACE_IOU for i in left])
        same[0] = True
        group, left = left[same], left[~same]
        weights = scores[group] / scores[group].sum()
        kept.append((weights @ boxes[group], np.tensordot(weights, points[group], 1), group[0]))
    return (
        np.array([box for box, _, _ in kept]).reshape(-1, 4),
        np.array([group for _, group, _ in kept]).reshape(-1, 6, 2),
        np.array([scores[best] for _, _, best in kept]),
    )


def _largest_of_each(found: list[Detection]) -> list[Detection]:
    """One detection a face where neighbouring tiles saw the same one."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda detection: -detection.region.side):
        if all(box_iou(detection.box, other.box) < _SAME_FACE_IOU for other in kept):
            kept.append(detection)
    return kept


def _tile_starts(length: int, side: int) -> list[int]:
    """Starts of tiles overlapping by half or more, the last one flush with the end."""
    last = max(length - side, 0)
    return np.linspace(0, last, 1 + int(np.ceil(last / (side / 2)))).astype(int).tolist()


def _load(name: str) -> Interpreter:
    content = (ASSETS / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != MODEL_SHA256[name]:
        raise ValueError(f"{ASSETS / name} is not the model it should be: restore the file")
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _run(
    interpreter: Interpreter, image: Float32[np.ndarray, "192 192 3"]
) -> tuple[np.ndarray, np.ndarray]:
    """The two outputs, the larger (coordinates) first."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    outputs = [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]
    large, small = sorted(outputs, key=lambda output: -output.size)
    return large, small


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(float), -60, 60)))
