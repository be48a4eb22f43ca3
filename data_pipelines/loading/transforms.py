"""A record's window as one row of a batch: chosen frames decoded, mouths cropped, sound cut, masks.

Owns the row and everything deterministic about it, in two steps: the window is cut out of the
record (`Cut`), then made a row. Knows nothing of augmentation or order.
A row has the keys of `ClipBatch`, each without the batch axis.
"""

import dataclasses

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Bool, Float, Float32, Int, UInt8

from data_pipelines.errors import UserError
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.window import Window, cut_sound, extent_of, sounding
from data_pipelines.records.clip import FRAME_RATE, UNKNOWN, ClipRecord, Labels, present_labels

ClipRow = dict[str, np.ndarray]

_MAX_SIDE = 4096  # pixels; a larger JPEG is not a face crop


@dataclasses.dataclass(frozen=True)
class Cut:
    """What lies in a window, decoded, at the record's own size.

    Attributes:
        bins: grid bins of the frames, counted from the window's start.
        frames: RGB, one a bin; of one size in every prepared record, but nothing here needs it.
        mouth_boxes: the record's, x0, y0, x1, y1 in pixels.
        mouth_centres, mouth_side: where to crop the mouths; see `smooth_mouths`.
        waveform, waveform_mask: see `window.cut_sound`.
        sounding: samples of the waveform at which the record has sound.
        label_video, label_audio, label_sync: the record's.
    """

    bins: tuple[int, ...]
    frames: tuple[UInt8[np.ndarray, "_ _ 3"], ...]
    mouth_boxes: Float[np.ndarray, "n 4"]
    mouth_centres: Float[np.ndarray, "n 2"]
    mouth_side: float
    waveform: Float32[np.ndarray, " s"]
    waveform_mask: Bool[np.ndarray, " g"]
    sounding: slice
    label_video: int
    label_audio: int
    label_sync: int


def clip_row(sample: Sample, spec: ClipSpec, window: Window, pair: int) -> ClipRow:
    """Makes the row of one window.

    Frames and mouths are those at `frame_bins(spec)` and at every bin; where the record is shorter
    than the window they are zero and masked. A modality of which nothing lies in the window counts
    as missing, and its labels become -1.

    Args:
        sample: the clip and its position in the source.
        spec: the row's shape.
        window: which part of the clip.
        pair: the number of the clip's original; -1 for none.

    Raises:
        UserError: a chosen frame is not a JPEG picture of sensible size; names clip and frame.
    """
    return row_of_cut(cut_window(sample.clip, spec, window), spec, sample.index, pair)


def cut_window(
    clip: ClipRecord, spec: ClipSpec, window: Window, *, every_frame: bool = False
) -> Cut:
    """Decodes what a row needs of a window.

    Args:
        clip: the record.
        spec: the row's shape.
        window: which part of the clip.
        every_frame: decodes also the frames that only their neighbours need.

    Raises:
        UserError: a chosen frame is not a JPEG picture of sensible size; names clip and frame.
    """
    wanted = range(spec.num_bins) if spec.mouth_size or every_frame else frame_bins(spec).tolist()
    bins = [bin_ for bin_ in wanted if window.start + bin_ < len(clip.frames)]
    indices = [window.start + bin_ for bin_ in bins]
    centres, side = smooth_mouths(clip.mouth_boxes, spec)
    waveform, waveform_mask = cut_sound(clip, spec, window)
    return Cut(
        bins=tuple(bins),
        frames=tuple(decode_frame(clip, index) for index in indices),
        mouth_boxes=clip.mouth_boxes[indices],
        mouth_centres=centres[indices],
        mouth_side=side,
        waveform=waveform,
        waveform_mask=waveform_mask,
        sounding=sounding(extent_of(clip), spec, window),
        label_video=clip.label_video,
        label_audio=clip.label_audio,
        label_sync=clip.label_sync,
    )


def row_of_cut(cut: Cut, spec: ClipSpec, clip_index: int, pair: int) -> ClipRow:
    """The row of a window that was cut out; see `clip_row`."""
    row = blank_row(spec, clip_index)
    _fill_picture(row, cut, spec)
    row["waveform"], row["waveform_mask"] = cut.waveform, cut.waveform_mask
    row["pair"] = np.asarray(pair, np.int32)
    there = bool(row["frame_mask"].any()), bool(row["waveform_mask"].any())
    labels = present_labels(cut.label_video, cut.label_audio, cut.label_sync, *there)
    return row | _labels(labels) | _scalars(has_video=there[0], has_audio=there[1], valid=True)


def blank_row(spec: ClipSpec, clip_index: int) -> ClipRow:
    """A row without picture, sound or labels (valid False); its times are those of any row."""
    t, k = spec.frames, spec.num_mouths
    return {
        "frames": np.zeros((t, spec.image_size, spec.image_size, 3), np.uint8),
        "frame_times": (frame_bins(spec) / FRAME_RATE).astype(np.float32),
        "frame_mask": np.zeros(t, bool),
        "mouth_frames": np.zeros((k, spec.mouth_size, spec.mouth_size, 3), np.uint8),
        "mouth_times": (np.arange(k) / FRAME_RATE).astype(np.float32),
        "mouth_mask": np.zeros(k, bool),
        "waveform": np.zeros(spec.num_samples, np.float32),
        "waveform_mask": np.zeros(spec.num_bins, bool),
        **_scalars(has_video=False, has_audio=False, valid=False),
        **_labels(Labels(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)),
        "pair": np.asarray(-1, np.int32),
        "clip_index": np.asarray(clip_index, np.int32),
    }


def frame_bins(spec: ClipSpec) -> Int[np.ndarray, " t"]:
    """Grid bins of the whole-face frames: the centres of t equal parts of the window."""
    return ((np.arange(spec.frames) + 0.5) * spec.num_bins / spec.frames).astype(int)


def _labels(labels: Labels) -> ClipRow:
    names = ("label_video", "label_audio", "label_sync", "label")
    return {name: np.asarray(value, np.int32) for name, value in zip(names, labels, strict=True)}


def _scalars(**flags: bool) -> ClipRow:
    return {name: np.asarray(value) for name, value in flags.items()}


def _fill_picture(row: ClipRow, cut: Cut, spec: ClipSpec) -> None:
    """Face, mouth or both of each frame."""
    face_slots = {int(bin_): slot for slot, bin_ in enumerate(frame_bins(spec))}
    for bin_, image, centre in zip(cut.bins, cut.frames, cut.mouth_centres, strict=True):
        if bin_ in face_slots:
            row["frames"][face_slots[bin_]] = _resize(image, spec.image_size)
            row["frame_mask"][face_slots[bin_]] = True
        if spec.mouth_size:
            mouth = crop_square(image, centre, cut.mouth_side)
            row["mouth_frames"][bin_] = _resize(mouth, spec.mouth_size)
            row["mouth_mask"][bin_] = True


def smooth_mouths(
    boxes: Float[np.ndarray, "t 4"], spec: ClipSpec
) -> tuple[Float[np.ndarray, "t 2"], float]:
    """Where to crop the mouth: a smoothed centre a frame and one side for the whole record.

    One side, because a crop that breathes with the lips hides how far they open.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        spec: how much smoothing, how much margin.

    Returns:
        centres [t 2] x, y in pixels, a moving average; side in pixels, margin included.
    """
    if not len(boxes):
        return np.zeros((0, 2)), 0.0
    corners = boxes.astype(np.float64).reshape(-1, 2, 2)
    half = spec.mouth_smoothing // 2
    padded = np.pad(corners.mean(axis=1), ((half, half), (0, 0)), mode="edge")
    centres = np.stack([padded[i : i + len(boxes)] for i in range(2 * half + 1)]).mean(axis=0)
    sides = (corners[:, 1] - corners[:, 0]).max(axis=1)
    return centres, float(spec.mouth_margin * np.median(sides))


def crop_square(
    image: UInt8[np.ndarray, "h w 3"], centre: Float[np.ndarray, "2"], side: float
) -> UInt8[np.ndarray, "crop crop 3"]:
    """A square around `centre` (x, y; the first pixel's centre is 0.5), at sub-pixel accuracy.

    What lies outside the image repeats its border; `side` is held between 8 and the image's side.
    """
    height, width = image.shape[:2]
    pixels = min(max(round(side), 8), height, width)
    x, y = centre.tolist()
    centre_pixel = (min(max(x, 0), width) - 0.5, min(max(y, 0), height) - 0.5)
    return cv2.getRectSubPix(image, (pixels, pixels), centre_pixel)


def _resize(image: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def decode_frame(clip: ClipRecord, index: int) -> UInt8[np.ndarray, "h w 3"]:
    """One frame as RGB; its size is read before anything is decoded.

    Raises:
        UserError: it is not a JPEG picture of sensible size; names clip and frame.
    """
    try:
        header = simplejpeg.decode_jpeg_header(clip.frames[index])
        height, width = int(header[0]), int(header[1])
        if max(height, width) > _MAX_SIDE:
            raise ValueError(f"{width} x {height} pixels, more than {_MAX_SIDE}")
        return simplejpeg.decode_jpeg(clip.frames[index], "RGB")
    except ValueError as error:
        raise UserError(f"clip {clip.clip_id!r}, frame {index}: {error}") from error
