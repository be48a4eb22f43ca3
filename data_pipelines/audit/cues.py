"""Hand-made evidence of a forgery: numbers of the sound, of the picture, and of their match.

Where `clip_statistics` are numbers that should say nothing, these are what a simple detector would
measure. Knows nothing of labels (see `evidence`).
"""

import cv2
import librosa
import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from data_pipelines.forgeries.regions import box_mask, polygon_mask, regions_of_crop
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE, ClipRecord

MOUTH_SIZE = 12  # pixels of the mouth crops that are compared with the loudness

_FFT, _HOP, _BANDS = 512, 160, 32
_FRAME_STEP = 5  # every fifth frame is looked at for traces
_FLOOR = 1e-4  # of magnitudes, far below speech
_RESIDUAL_FLOOR = 0.3  # grey levels; below is rounding
_LOUDNESS_SMOOTHING = 3  # frames


def sound_cue(sound: Float[np.ndarray, " s"]) -> Float[np.ndarray, " f"]:
    """Mean, deviation and mean change over time of the log spectrum in 32 linear bands."""
    magnitude = np.abs(librosa.stft(sound, n_fft=_FFT, hop_length=_HOP))[1:]
    bands = magnitude.reshape(_BANDS, -1, magnitude.shape[1]).mean(axis=1)
    logarithm = np.log(bands + _FLOOR)
    change = np.abs(np.diff(logarithm, axis=1)).mean(axis=1)
    return np.concatenate([logarithm.mean(axis=1), logarithm.std(axis=1), change])


def picture_cue(
    grey: Float[np.ndarray, "t h h"], mouth_boxes: Float[np.ndarray, "t 4"]
) -> Float[np.ndarray, " f"]:
    """Log mean of |high-pass residual| by region, differences of these, mean and deviation in time.

    Regions: the face, its rim, what is around it, the mouth, the face without the mouth.
    """
    faces = regions_of_crop(mouth_boxes, grey.shape[1]).faces
    rows = []
    for image, outline, box in zip(grey, faces, mouth_boxes, strict=True):
        residual = image - cv2.GaussianBlur(image, (0, 0), 1.0)
        levels = [
            np.log((np.abs(residual) * mask).sum() / max(mask.sum(), 1) + _RESIDUAL_FLOOR)
            for mask in _masks(outline, box, image.shape)
        ]
        face, rim, around, mouth, rest = levels
        diagonal = residual[:-1, :-1] + residual[1:, 1:] - residual[:-1, 1:] - residual[1:, :-1]
        checks = np.log(np.abs(diagonal).mean() + _RESIDUAL_FLOOR)
        rows.append([*levels, mouth - rest, face - around, rim - face, checks])
    return np.concatenate([np.mean(rows, axis=0), np.std(rows, axis=0)])


def mouth_track(clip: ClipRecord) -> Float[np.ndarray, "t p"]:
    """Grey mouth crops over time, each pixel without its mean, the whole with deviation 1."""
    crops = [
        _mouth(_grey(frame), box) for frame, box in zip(clip.frames, clip.mouth_boxes, strict=True)
    ]
    track = np.stack(crops).reshape(len(crops), -1)
    track = track - track.mean(axis=0)
    return track / (track.std() + 1e-3)


def loudness_track(clip: ClipRecord) -> Float[np.ndarray, " t"]:
    """Log loudness of the sound at each frame, mean 0, deviation 1."""
    sound = samples_of(clip)
    centres = (clip.frame_times_ms - clip.frame_times_ms[0] - clip.audio_offset_ms) / 1000
    first = np.round(centres * SAMPLE_RATE).astype(int)
    reach = round(_LOUDNESS_SMOOTHING * SAMPLE_RATE / FRAME_RATE / 2)
    power = np.concatenate([[0.0], np.cumsum(sound**2)])
    begin, end = (np.clip(first + side * reach, 0, len(sound)) for side in (-1, 1))
    loudness = np.log(np.sqrt((power[end] - power[begin]) / np.maximum(end - begin, 1)) + 1e-3)
    return (loudness - loudness.mean()) / (loudness.std() + 1e-3)


def grey_frames(clip: ClipRecord) -> tuple[Float[np.ndarray, "t h h"], Float[np.ndarray, "t 4"]]:
    """Some of the frames in grey, with their mouth boxes."""
    chosen = slice(None, None, _FRAME_STEP)
    return np.stack([_grey(frame) for frame in clip.frames[chosen]]), clip.mouth_boxes[chosen]


def samples_of(clip: ClipRecord) -> Float[np.ndarray, " s"]:
    """The sound in [-1, 1]."""
    return clip.audio.astype(np.float64) / 32768


def _grey(jpeg: bytes) -> Float[np.ndarray, "h h"]:
    grey: UInt8[np.ndarray, "h h 1"] = simplejpeg.decode_jpeg(jpeg, "GRAY")
    return grey[..., 0].astype(np.float32)


def _mouth(grey: np.ndarray, box: np.ndarray) -> np.ndarray:
    scale = (box[2] - box[0]) / MOUTH_SIZE
    matrix = np.array([[scale, 0, box[0] + scale / 2], [0, scale, box[1] + scale / 2]])
    blurred = cv2.GaussianBlur(grey, (0, 0), max(float(scale) / 2, 0.3))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (MOUTH_SIZE, MOUTH_SIZE)
    return cv2.warpAffine(blurred, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _masks(outline: np.ndarray, box: np.ndarray, shape: tuple[int, int]) -> list[np.ndarray]:
    inside, outside, face = (
        polygon_mask(outline, shape, grow=grow, feather=1.0) for grow in (0.85, 1.2, 1.0)
    )
    mouth = box_mask(box, shape, feather=1.0)
    return [face, outside - inside, 1 - outside, mouth, face * (1 - mouth)]
