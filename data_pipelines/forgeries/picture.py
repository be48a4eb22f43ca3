"""Forging the picture: face swap, self-blending, regenerated mouth, smoothing, a neural trace.

Every operation takes frames and regions of any clip and returns new frames with a mask of what it
changed. Labels are not its business (see `operations`).
"""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from data_pipelines.forgeries.regions import box_mask, polygon_mask
from data_pipelines.forgeries.traces import Traces

Frames = UInt8[np.ndarray, "t h w 3"]
Masks = Float32[np.ndarray, "t h w"]
Outlines = Float[np.ndarray, "t p 2"]

_REFERENCE_SIZE = 112  # pixels; lengths in `Traces` are for such frames


def swap_face(
    frames: Frames, donor: Frames, faces: Outlines, rng: np.random.Generator, traces: Traces
) -> tuple[Frames, Masks]:
    """Pastes the donor's face: low resolution, colour transfer, a feathered and jittering mask.

    Args:
        frames: the target clip.
        donor: another face in the same place and pose.
        faces: outlines in the target.
        rng, traces: chance and strength.

    Returns:
        The forged frames and the masks, 1 where the donor is seen.
    """
    scale = _scale(frames)
    resolution = rng.uniform(*traces.swap_resolution)
    grow, feather = rng.uniform(0.86, 1.0), rng.uniform(*traces.swap_feather) * scale
    transfer, jitter = rng.uniform(*traces.swap_colour_transfer), rng.uniform(*traces.swap_jitter)
    forged, masks = np.empty_like(frames), _empty_masks(frames)
    for index, (frame, face, outline) in enumerate(zip(frames, donor, faces, strict=True)):
        corners = outline + rng.normal(0, jitter * scale, 2)
        mask = polygon_mask(corners, frame.shape[:2], grow=grow, feather=feather)
        pasted = low_resolution(face.astype(np.float32), resolution, cv2.INTER_LINEAR)
        area = _extent(mask)
        pasted[area] = _transfer_colour(pasted[area], frame[area], mask[area], transfer)
        forged[index], masks[index] = _blend(frame, pasted, mask), mask
    return forged, masks


def self_blend(
    frames: Frames, faces: Outlines, rng: np.random.Generator, traces: Traces
) -> tuple[Frames, Masks]:
    """A swap of the face with itself, retouched: blending traces without any second person.

    References:
        Shiohara, Yamasaki, Detecting deepfakes with self-blended images, CVPR 2022.
    """
    gain = (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
    offset = np.float32(rng.normal(0, 8))
    retouched = np.arange(256, dtype=np.uint8)[:, None] * gain + offset  # of each level
    table = np.clip(retouched, 0, 255).astype(np.uint8)[None]
    middle = tuple(float(value) for value in faces.mean(axis=(0, 1)))
    turn = cv2.getRotationMatrix2D(middle, rng.normal(0, 1.0), float(np.exp(rng.normal(0, 0.02))))
    turn[:, 2] += rng.normal(0, 0.8 * _scale(frames), 2)
    donor = np.empty_like(frames)
    for index, frame in enumerate(frames):
        donor[index] = cv2.warpAffine(
            cv2.LUT(frame, table), turn, frame.shape[1::-1], borderMode=cv2.BORDER_REFLECT
        )
    return swap_face(frames, donor, faces, rng, traces)


def regenerate_mouth(
    frames: Frames,
    generated: Frames,
    mouths: Float[np.ndarray, "t 4"],
    rng: np.random.Generator,
    traces: Traces,
) -> tuple[Frames, Masks]:
    """Pastes a generated lower face, as lip-sync models do: low resolution, slightly off in colour.

    Args:
        frames: the target clip.
        generated: the same face with the wanted mouth; `frames` itself is allowed.
        mouths: boxes x0, y0, x1, y1.
        rng, traces: chance and strength.

    Returns:
        The forged frames and the masks, 1 where the mouth is new.
    """
    resolution = rng.uniform(*traces.mouth_resolution)
    feather = rng.uniform(*traces.mouth_feather) * _scale(frames)
    tint = (1 + rng.normal(0, traces.mouth_tint, 3)).astype(np.float32)
    forged, masks = np.empty_like(frames), _empty_masks(frames)
    for index, (frame, new, box) in enumerate(zip(frames, generated, mouths, strict=True)):
        mask = box_mask(box, frame.shape[:2], feather=feather)
        pasted = low_resolution(new.astype(np.float32), resolution, cv2.INTER_CUBIC) * tint
        forged[index], masks[index] = _blend(frame, pasted, mask), mask
    return forged, masks


def smooth_over_time(
    frames: Frames, faces: Outlines, rng: np.random.Generator
) -> tuple[Frames, Masks]:
    """Averages the face over 3 to 5 frames, as temporally over-regularised generators do."""
    num_frames, reach = len(frames), int(rng.integers(1, 3))
    forged, masks = np.empty_like(frames), _empty_masks(frames)
    for index, (frame, outline) in enumerate(zip(frames, faces, strict=True)):
        window = frames[max(0, index - reach) : min(num_frames, index + reach + 1)]
        mask = polygon_mask(outline, frame.shape[:2], grow=0.98, feather=2 * _scale(frames))
        forged[index] = _blend(frame, window.mean(axis=0, dtype=np.float32), mask)
        masks[index] = mask
    return forged, masks


def autoencode(
    frames: Frames, faces: Outlines, rng: np.random.Generator, traces: Traces
) -> tuple[Frames, Masks]:
    """What a small autoencoder leaves: a face of few components over time, and a checkerboard."""
    num_frames, height, width = frames.shape[:3]
    flat = frames.reshape(num_frames, -1).astype(np.float64)
    mean = flat.mean(axis=0)
    # Principal components over time from the small Gram matrix [t t].
    values, vectors = np.linalg.eigh((flat - mean) @ (flat - mean).T)
    basis = vectors[:, np.argsort(values)[::-1][: int(rng.integers(5, 10))]]
    decoded = (basis @ (basis.T @ (flat - mean)) + mean).reshape(frames.shape)
    checks = 1 - 2 * (np.indices((height, width)).sum(axis=0) % 2)
    decoded *= 1 + rng.uniform(*traces.checkerboard) * checks[..., None]
    forged, masks = np.empty_like(frames), _empty_masks(frames)
    for index, (frame, outline) in enumerate(zip(frames, faces, strict=True)):
        mask = polygon_mask(outline, (height, width), grow=1.02, feather=3 * _scale(frames))
        forged[index] = _blend(frame, decoded[index].astype(np.float32), mask)
        masks[index] = mask
    return forged, masks


def low_resolution(
    image: Float32[np.ndarray, "h w 3"], resolution: float, interpolation: int
) -> Float32[np.ndarray, "h w 3"]:
    """The image after it was reduced to `resolution` times its size, and enlarged again."""
    height, width = image.shape[:2]
    small = max(8, int(width * resolution)), max(8, int(height * resolution))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (width, height), interpolation=interpolation)


def _transfer_colour(
    pasted: np.ndarray, target: np.ndarray, mask: np.ndarray, strength: float
) -> np.ndarray:
    """Moves the pasted colours' mean and deviation to the target's (Reinhard et al. 2001)."""
    inside = mask.ravel() > 0.5
    if inside.sum() < 20:
        return pasted
    ours, our_deviation = _mean_and_deviation(pasted, inside)
    theirs, their_deviation = _mean_and_deviation(target.astype(np.float32), inside)
    gain = their_deviation / (our_deviation + 0.25)
    # Along rows: numpy is slow where the innermost axis is as short as 3.
    ours, theirs, gain = (np.tile(channels, pasted.shape[1]) for channels in (ours, theirs, gain))
    flat = pasted.reshape(len(pasted), -1)
    matched = (flat - ours) * gain + theirs
    return (flat + np.float32(strength) * (matched - flat)).reshape(pasted.shape)


def _mean_and_deviation(
    image: np.ndarray, inside: np.ndarray
) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "3"]]:
    """Of each channel over the pixels inside; einsum sums four times as fast as numpy's `mean`."""
    pixels = image.reshape(-1, 3).compress(inside, axis=0)
    count = np.float32(len(pixels))
    mean = np.einsum("nc->c", pixels) / count
    centred = pixels - mean
    return mean, np.sqrt(np.einsum("nc,nc->c", centred, centred) / count)


def _blend(frame: np.ndarray, pasted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame with what is pasted; only where the mask is not 0 is there anything to do."""
    area = _extent(mask)
    base, weight = frame[area].astype(np.float32), mask[area][..., None]
    blended = frame.copy()
    blended[area] = np.clip(base + weight * (pasted[area] - base) + 0.5, 0, 255).astype(np.uint8)
    return blended


def _extent(mask: np.ndarray) -> tuple[slice, slice]:
    """The rectangle outside of which the mask is 0."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _empty_masks(frames: np.ndarray) -> np.ndarray:
    return np.zeros(frames.shape[:3], np.float32)


def _scale(frames: np.ndarray) -> float:
    return frames.shape[1] / _REFERENCE_SIZE
