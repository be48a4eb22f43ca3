"""A clip from (preset, seed, index): speech, performance, forgery, capture, crops, record.

Random numbers come from two streams per take: the performance's, from which motion, camera and
microphone are drawn for the genuine and the forged version alike, and the forgery's own. A clip is
the same in any process and order, on one platform and with one set of library versions.
"""

import base64
import json
from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from data_pipelines.media.align import crop_matrices, mouth_boxes, warp_square
from data_pipelines.records.clip import FRAME_RATE, ClipRecord
from data_pipelines.synthetic.capture import Capture, compress, expose
from data_pipelines.synthetic.codecs import encode_jpeg
from data_pipelines.synthetic.performance import Performance, perform
from data_pipelines.synthetic.plan import ClipPlan, plan_clip
from data_pipelines.synthetic.presets import Preset
from data_pipelines.synthetic.take import CAPTURE

VERSION = "1.1.1"  # raise it whenever any clip changes

_MASK_SIZE = 16
# The stable points of `media.align`, from the 68 landmarks: weights of one or two of them.
_STABLE_POINTS = (
    {36: 1.0}, {39: 1.0}, {42: 1.0}, {45: 1.0},
    {27: 0.87, 28: 0.13}, {27: 0.29, 28: 0.71}, {28: 0.75, 29: 0.25},
    {31: 1.0}, {35: 1.0}, {33: 1.0},
)  # fmt: skip
_OUTER_LIPS = slice(48, 60)


def synthetic_clip(seed: int, index: int, preset: Preset) -> ClipRecord:
    """Makes one clip of the data set, 0.3 to 0.6 s of one core.

    The record's provenance holds the ground truth as text: `kind`; `phonemes` heard, as JSON of
    [milliseconds, espeak mnemonic]; `sound_delay_ms` of the sound against the lips, empty where
    they do not match; `mask`, the manipulated share of the crop in 16 by 16 bytes, base64, empty
    where there is none; `codec`.

    Raises:
        IndexError: the preset has no such clip.
    """
    plan = plan_clip(preset, seed, index)
    return make_clip(seed, preset, plan, f"{preset.name}/{index:06d}#0")


def make_clip(seed: int, preset: Preset, plan: ClipPlan, clip_id: str) -> ClipRecord:
    """Makes the planned clip, which may be one that no index has (see `synthetic_clip`)."""
    performance = perform(preset, seed, plan)
    capture = compress(shoot(seed, preset, plan, performance))
    frames, boxes, mask = _crop(preset, performance, capture.frames)
    labels = plan.kind.labels(plan.modalities)
    return ClipRecord(
        clip_id=clip_id,
        dataset=preset.name,
        split=plan.split,
        source_ids=people_names(seed, performance.people),
        pair_id=take_name(seed, plan.take),
        method_video=plan.method_video,
        method_audio=plan.method_audio,
        frames=tuple(encode_jpeg(frame, preset.jpeg_quality, "444") for frame in frames),
        frame_times_ms=np.arange(len(frames)) * (1000.0 / FRAME_RATE),
        mouth_boxes=boxes,
        audio=capture.audio,
        audio_offset_ms=0.0,
        label_video=labels.video,
        label_audio=labels.audio,
        label_sync=labels.sync,
        provenance=_provenance(seed, plan, performance, capture, mask),
    )


def shoot(seed: int, preset: Preset, plan: ClipPlan, performance: Performance) -> Capture:
    """A performance through camera and microphone, before any codec."""
    rng = np.random.default_rng([seed, plan.take, CAPTURE])
    return expose(performance.frames, performance.audio, preset, rng)


def people_names(seed: int, numbers: Iterable[int]) -> tuple[str, ...]:
    """What persons are called in a record's source_ids."""
    return tuple(f"person-{seed}-{number}" for number in numbers)


def take_name(seed: int, take: int) -> str:
    """What a take is called in a record's pair_id."""
    return f"take-{seed}-{take}"


def _crop(
    preset: Preset, performance: Performance, frames: UInt8[np.ndarray, "t h w 3"]
) -> tuple[UInt8[np.ndarray, "t s s 3"], Float64[np.ndarray, "t 4"], UInt8[np.ndarray, "m m"]]:
    """Aligned faces by the known landmarks, as preparation makes them; mouth boxes; the mask."""
    size, margin = preset.size, preset.margin
    crops = np.zeros((len(frames), size, size, 3), np.uint8)
    mask = np.zeros((_MASK_SIZE, _MASK_SIZE), np.uint8)
    if not len(frames):
        return crops, np.zeros((0, 4)), mask
    landmarks = performance.landmarks.astype(np.float64)
    stable = np.stack([_weighted(landmarks, weights) for weights in _STABLE_POINTS], axis=1)
    matrices = crop_matrices(stable, size, margin)
    for index, (frame, matrix) in enumerate(zip(frames, matrices, strict=True)):
        crops[index] = warp_square(frame, matrix, size)
    boxes = mouth_boxes(landmarks[:, _OUTER_LIPS], matrices, size, margin)
    middle = len(frames) // 2
    changed = cv2.warpAffine(performance.mask[middle], matrices[middle], (size, size))
    mask[:] = cv2.resize(changed, mask.shape, interpolation=cv2.INTER_AREA) * 255
    return crops, boxes, mask


def _weighted(landmarks: np.ndarray, weights: dict[int, float]) -> np.ndarray:
    return np.sum([landmarks[:, number] * weight for number, weight in weights.items()], axis=0)


def _provenance(
    seed: int, plan: ClipPlan, performance: Performance, capture: Capture, mask: np.ndarray
) -> dict[str, str]:
    phonemes = [[round(p.start * 1000), p.mnemonic] for p in performance.phonemes]
    delay = performance.delay
    return {
        "generator": f"synthetic {VERSION}",
        "seed": str(seed),
        "kind": plan.kind.name,
        "phonemes": json.dumps(phonemes, separators=(",", ":")),
        "sound_delay_ms": "" if delay is None else str(round(delay * 1000)),
        "mask": base64.b64encode(mask.tobytes()).decode() if mask.any() else "",
        "codec": capture.codec.name,
    }
