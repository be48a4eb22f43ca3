"""Follows faces through a video and keeps all, or the largest one for each stretch of it.

Owns identity over time: association, gaps, smoothing. Looks at each frame once and keeps 30 points
of it, so that memory stays small for an hour of video. Knows nothing of files, windows or crops.
"""

import dataclasses
from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

from data_pipelines.media.align import LIP_POINTS, STABLE_POINTS, warp_square
from data_pipelines.media.face import (
    Detection,
    FaceModels,
    Mesh,
    Region,
    box_iou,
    box_of_points,
    region_of_mesh,
)

Image = UInt8[np.ndarray, "h w 3"]
Pattern = Float32[np.ndarray, " n"]

_POINTS = np.array(STABLE_POINTS + LIP_POINTS)
_GREY = cv2.COLOR_RGB2GRAY
_MAX_FACES = 4  # followed at once; more only cost time
_DETECT_EVERY = 25  # frames between looking for faces that have come in
_MAX_GAP = 12  # frames without the face that a track survives: 0.5 s
_SAME_FACE_IOU = 0.3  # between one frame and the next, or of two tracks that have run together
_SETTLED = 25  # frames for which a picture stands; looking again will show nothing new
_STILL = 0.85  # correlation between two frames of what the mesh looked at: surely no cut
_SAME_LOOK = 0.6  # of a face with its surroundings, brought to one place and size
_SAME_SCENE = 0.5  # of the whole picture, where the face was lost from sight
_LOOK = 32  # pixels, of what is compared
_AROUND_LAST = 1.5  # where a lost face is looked for: its box and as much again on each side
_SMOOTHING_FRAMES = 1.5  # standard deviation; kills the mesh's trembling, keeps nods


@dataclasses.dataclass(frozen=True)
class FaceTrack:
    """One face over consecutive frames of the 25 Hz grid.

    Attributes:
        first: index of its first frame.
        stable: `STABLE_POINTS` in pixels of the image, smoothed over time.
        lips: `LIP_POINTS`, likewise.
        face_px: median width of the mesh's box in pixels.
        found: share of the frames in which the face was really seen; the rest is interpolated.
    """

    first: int
    stable: Float32[np.ndarray, "t p 2"]
    lips: Float32[np.ndarray, "t q 2"]
    face_px: float
    found: float

    def __len__(self) -> int:
        return len(self.stable)


@dataclasses.dataclass(frozen=True)
class Tracking:
    """What was seen in a video.

    Attributes:
        tracks: in order of time; overlapping where every face was wanted.
        num_frames: of the video on the 25 Hz grid.
        max_faces: most faces followed at once.
    """

    tracks: list[FaceTrack]
    num_frames: int
    max_faces: int


def track_faces(
    images: Iterable[Image], models: FaceModels, min_frames: int, *, every_face: bool = False
) -> Tracking:
    """Follows the faces of a video and keeps the largest for every stretch of time.

    A face is followed by laying the mesh where it was in the frame before; the detector only looks
    for new faces and for lost ones. Each stretch of time goes to the face with the largest summed
    area; a smaller one keeps what the larger leaves it, if that is at least `min_frames` long. A
    cut ends the tracks that it interrupts, even where one face takes another's place.

    A picture that stands (the same array again and again) is looked at for a second only.

    Args:
        images: RGB frames of the 25 Hz grid; consumed once.
        models: detector and mesh.
        min_frames: the shortest track that is worth keeping.
        every_face: keep smaller faces beside larger ones.
    """
    live: list[_Live] = []
    ended: list[_Live] = []
    count = max_faces = stands = 0
    last: Image | None = None
    for index, image in enumerate(images):
        stands = stands + 1 if image is last else 0
        last, count = image, index + 1
        if stands > _SETTLED:
            for face in live:
                face.stand()
            continue
        followed = [face.follow(index, image, models) for face in live]
        ended += [face for face in live if face not in followed]
        live, lost = _without_lost_and_doubled(followed)
        ended += lost
        if not live or index % _DETECT_EVERY == 0:
            thorough = not live and index % _DETECT_EVERY == 0
            live += _newcomers(image, models, live, index, thorough)
        max_faces = max(max_faces, len(live))
    return Tracking(_choose(ended + live, count, min_frames, every_face), count, max_faces)


class _Live:
    """A face that is being followed."""

    def __init__(self, first: int, image: Image, mesh: Mesh) -> None:
        self.first = first
        self.points: list[Float32[np.ndarray, "p 2"] | None] = []
        self.area, self.widths = 0.0, []
        self.missing, self.over = 0, False
        self._accept(image, mesh, None)

    def follow(self, index: int, image: Image, models: FaceModels) -> "_Live":
        """Extends the track by one frame, seen or missing; behind a cut another one goes on."""
        mesh = self._mesh_at(image, models, self.region)
        look = _look(mesh.view) if mesh else None
        if mesh is None:
            sides = np.tile(self.box[2:] - self.box[:2], 2) * [-1, -1, 1, 1]
            nearby = models.detect_within(image, self.box + _AROUND_LAST * sides)
            if nearby:
                mesh = self._mesh_at(image, models, nearby[0].region)
        if mesh is None:
            self.over = not self.missing and self._is_cut(image, None, None)
            self.points.append(None)
            self.missing += 1
            return self
        if self._is_cut(image, mesh, look):
            return _Live(index, image, mesh)
        self._accept(image, mesh, look)
        return self

    def stand(self) -> None:
        """Extends the track by a frame that shows the same picture again."""
        self.points.append(self.points[-1])
        self.missing += self.points[-1] is None
        self.area += self._face_area
        self.widths.append(self.widths[-1])

    def _mesh_at(self, image: Image, models: FaceModels, region: Region) -> Mesh | None:
        """The mesh, if it is there and can be the same face as before."""
        mesh = models.mesh(image, region)
        if mesh is None or box_iou(box_of_points(mesh.points), self.box) < _SAME_FACE_IOU:
            return None
        return mesh

    def _is_cut(self, image: Image, mesh: Mesh | None, look: Pattern | None) -> bool:
        """Has another face or picture taken the place of the one seen last?

        What the mesh looked at anyway says no for nearly every frame; only where it has changed,
        as it does in fast movements too, are the two faces laid one on the other.
        """
        if mesh is None or self.missing:
            return not _alike(_glance(image), _glance(self.image), _SAME_SCENE)
        if look is not None and self.look is not None and _alike(look, self.look, _STILL):
            return False
        now, before = _face(image, region_of_mesh(mesh.points)), _face(self.image, self.region)
        return not _alike(now, before, _SAME_LOOK)

    def _accept(self, image: Image, mesh: Mesh, look: Pattern | None) -> None:
        """Takes a frame; `look` is None where the view was not laid by the frame before."""
        self.image, self.look = image, look
        self.points.append(mesh.points[_POINTS].astype(np.float32))
        self.box, self.missing = box_of_points(mesh.points), 0
        self.region = region_of_mesh(mesh.points)
        width, height = self.box[2:] - self.box[:2]
        self._face_area = float(width * height)
        self.area += self._face_area
        self.widths.append(float(width))

    @property
    def end(self) -> int:
        """Index after the last frame in which the face was seen."""
        return self.first + len(self.points) - self.missing


def _newcomers(
    image: Image, models: FaceModels, live: list[_Live], index: int, thorough: bool
) -> list[_Live]:
    """Tracks for detected faces that are not being followed yet."""
    found: list[Detection] = models.search(image) if thorough else models.detect(image)
    new: list[_Live] = []
    for detection in found:
        if len(live) + len(new) >= _MAX_FACES:
            break
        mesh = models.mesh(image, detection.region)
        if mesh is None:
            continue
        box = box_of_points(mesh.points)
        if all(box_iou(box, face.box) < _SAME_FACE_IOU for face in live + new):
            new.append(_Live(index, image, mesh))
    return new


def _look(view: Image) -> Pattern:
    """What the mesh looked at: its green points, every sixth, which costs next to nothing."""
    return _pattern(view[:: len(view) // _LOOK, :: len(view) // _LOOK, 1])


def _face(image: Image, region: Region) -> Pattern:
    """A face and its surroundings, small and grey."""
    return _pattern(cv2.cvtColor(warp_square(image, region.matrix(_LOOK), _LOOK), _GREY))


def _glance(image: Image) -> Pattern:
    """The whole picture, small and grey."""
    small = cv2.resize(image, (_LOOK, _LOOK), interpolation=cv2.INTER_AREA)
    return _pattern(cv2.cvtColor(small, _GREY))


def _pattern(view: UInt8[np.ndarray, "p p"]) -> Pattern:
    """A view as a vector of length 1, so that products are correlations; 0 where it is plain."""
    values = view.astype(np.float32).ravel()
    values -= values.mean()
    length = np.sqrt(values @ values)
    return values / length if length > 1 else np.zeros_like(values)


def _alike(one: Pattern, other: Pattern, least: float) -> bool:
    """Whatever their brightness and contrast; where nothing is seen, nothing differs."""
    return float(one @ other) >= least or not one.any() or not other.any()


def _without_lost_and_doubled(faces: list[_Live]) -> tuple[list[_Live], list[_Live]]:
    """Splits into tracks that go on and tracks that end here."""
    live: list[_Live] = []
    ended: list[_Live] = []
    for face in faces:  # oldest first: of two tracks that have run together the older goes on
        doubled = any(box_iou(face.box, other.box) > _SAME_FACE_IOU for other in live)
        (ended if doubled or face.over or face.missing > _MAX_GAP else live).append(face)
    return live, ended


def _choose(
    faces: list[_Live], num_frames: int, min_frames: int, every_face: bool
) -> list[FaceTrack]:
    free = np.ones(num_frames, bool)
    chosen = []
    for face in sorted(faces, key=lambda face: (-face.area, face.first)):
        start, stop = _longest_run(free[face.first : face.end])
        if stop - start < min_frames:
            continue
        free[face.first + start : face.first + stop] = every_face
        chosen.append(_finished(face, start, stop))
    return sorted(chosen, key=lambda track: track.first)


def _longest_run(free: Bool[np.ndarray, " t"]) -> tuple[int, int]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    start, stop = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(start), int(stop)


def _finished(face: _Live, start: int, stop: int) -> FaceTrack:
    points = face.points[: face.end - face.first]
    seen = np.array([point is not None for point in points])
    known = np.stack([point for point in points if point is not None])
    smooth = smoothed(bridged(known, seen)).astype(np.float32)[start:stop]
    stable = len(STABLE_POINTS)
    return FaceTrack(
        first=face.first + start,
        stable=smooth[:, :stable],
        lips=smooth[:, stable:],
        face_px=float(np.median(face.widths)),
        found=float(seen[start:stop].mean()),
    )


def bridged(
    known: Float[np.ndarray, "k p 2"], seen: Bool[np.ndarray, " t"]
) -> Float64[np.ndarray, "t p 2"]:
    """Fills the frames without a face by straight lines between those with one."""
    times, wanted = np.flatnonzero(seen), np.arange(len(seen))
    flat = known.reshape(len(known), -1).astype(float)
    columns = [np.interp(wanted, times, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(seen), *known.shape[1:])


def smoothed(points: Float[np.ndarray, "t p 2"]) -> Float64[np.ndarray, "t p 2"]:
    """Gaussian smoothing over time without delay; at the ends over what is there."""
    radius = int(np.ceil(3 * _SMOOTHING_FRAMES))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _SMOOTHING_FRAMES) ** 2)
    length = len(points)
    weight = np.convolve(np.ones(length), kernel)[radius : radius + length]
    flat = points.reshape(length, -1).astype(float)
    columns = [np.convolve(column, kernel)[radius : radius + length] for column in flat.T]
    return (np.stack(columns, axis=1) / weight[:, None]).reshape(points.shape)
