"""Which part of a record becomes the clip, and the sound that belongs to it, to the sample.

Owns the time arithmetic: the 25 Hz grid counted from the record's first frame, and samples. Knows
nothing of images or batches.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float32

from data_pipelines.loading.settings import SAMPLES_PER_BIN, ClipSpec
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE, ClipRecord


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of a record.

    Attributes:
        start: grid bin it begins at; 0 is the record's first frame.
        sound_shift: seconds that its sound is taken later in the record than its picture.
    """

    start: int
    sound_shift: float = 0.0


def num_record_bins(clip: ClipRecord) -> int:
    """Whole grid bins the record lasts: its frames, or its sound where there is no picture."""
    if clip.has_video:
        return len(clip.frames)
    return max(0, math.floor(_sound_end(clip) * FRAME_RATE + 1e-6))


def centre_window(clip: ClipRecord, spec: ClipSpec) -> Window:
    """The middle of the record; its beginning where it is shorter than the window."""
    return Window(max(0, num_record_bins(clip) - spec.num_bins) // 2)


def random_window(clip: ClipRecord, spec: ClipSpec, rng: np.random.Generator) -> Window:
    """A window anywhere in the record, on the frame grid."""
    return Window(int(rng.integers(max(0, num_record_bins(clip) - spec.num_bins) + 1)))


def misaligned_window(
    clip: ClipRecord,
    spec: ClipSpec,
    shift_seconds: tuple[float, float],
    rng: np.random.Generator,
) -> Window | None:
    """A random window whose sound comes from earlier or later in the same record.

    Picture and sound lie wholly inside the record: silence at an edge would give the shift away.

    Args:
        clip: a record longer than the window by at least the smallest shift.
        spec: the window's length.
        shift_seconds: smallest and largest shift, positive; which way is drawn.
        rng: consumed.

    Returns:
        The window, or None where the record has no room for the smallest shift either way.
    """
    low, high = shift_seconds
    length = spec.num_bins / FRAME_RATE
    last = num_record_bins(clip) - spec.num_bins
    sound_start, sound_end = clip.audio_offset_ms / 1000, _sound_end(clip)
    if last < 0 or sound_end - sound_start < length:
        return None
    # The furthest the sound can lie after the first, or before the last, place for the picture.
    room = {+1: sound_end - length, -1: last / FRAME_RATE - sound_start}
    ways = [way for way in (+1, -1) if room[way] >= low]
    if not ways:
        return None
    way = ways[int(rng.integers(len(ways)))]
    shift = way * rng.uniform(low, min(high, room[way]))
    first = max(0, math.ceil((sound_start - shift) * FRAME_RATE))
    final = min(last, math.floor((sound_end - length - shift) * FRAME_RATE))
    if first > final:
        return None
    return Window(int(rng.integers(first, final + 1)), shift)


def cut_sound(
    clip: ClipRecord, spec: ClipSpec, window: Window
) -> tuple[Float32[np.ndarray, " s"], Bool[np.ndarray, " g"]]:
    """The window's sound, its first sample at the window's start to the nearest sample.

    Returns:
        waveform [s] in [-1, 1], zero where the record has no sound, and for each grid bin [g]
        whether there is sound at its centre.
    """
    start_ms = window.start * 1000 / FRAME_RATE + window.sound_shift * 1000
    first = round((start_ms - clip.audio_offset_ms) * SAMPLE_RATE / 1000)
    waveform = np.zeros(spec.num_samples, np.float32)
    low, high = np.clip([first, first + spec.num_samples], 0, clip.audio.size)
    waveform[low - first : high - first] = clip.audio[low:high] / np.float32(32768)
    centres = first + SAMPLES_PER_BIN // 2 + SAMPLES_PER_BIN * np.arange(spec.num_bins)
    return waveform, (centres >= 0) & (centres < clip.audio.size)


def _sound_end(clip: ClipRecord) -> float:
    """Seconds after the first frame at which the sound ends."""
    return clip.audio_offset_ms / 1000 + clip.audio.size / SAMPLE_RATE
