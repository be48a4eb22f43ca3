"""Which part of a record becomes the clip, and the sound that belongs to it, to the sample.

Owns the time arithmetic: the 25 Hz grid and the samples, both counted from the record's first
frame. What may be cut is known from a clip's lengths alone, for one clip or for a whole column of
them. Knows nothing of images or batches.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from data_pipelines.loading.settings import SAMPLES_PER_BIN, ClipSpec
from data_pipelines.records.clip import SAMPLE_RATE, ClipRecord

# One number, or one a clip.
Numbers = Any


@dataclasses.dataclass(frozen=True)
class Window:
    """A window of a record.

    Attributes:
        start: grid bin it begins at; 0 is the record's first frame.
        sound_shift: seconds that its sound is taken later in the record than its picture.
    """

    start: int
    sound_shift: float = 0.0


class Extent(NamedTuple):
    """How far a record reaches; each is a number, or an array of one a clip.

    Attributes:
        bins: whole grid bins it lasts: its frames, or its sound where there is no picture.
        sound_start, sound_end: samples after the first frame between which there is sound.
    """

    bins: Numbers
    sound_start: Numbers
    sound_end: Numbers


class Starts(NamedTuple):
    """The grid bins that windows of some kind may begin at, first to last; none if last < first."""

    first: Numbers
    last: Numbers

    @property
    def any(self) -> Numbers:
        return self.last >= self.first

    def draw(self, rng: np.random.Generator) -> int:
        """One of them, all equally likely."""
        return int(rng.integers(self.first, self.last + 1))


def extent(num_frames: Numbers, num_samples: Numbers, audio_offset_ms: Numbers) -> Extent:
    """What a record's lengths say, see the clip table's columns of these names."""
    offset = np.asarray(audio_offset_ms, np.float64) * SAMPLE_RATE / 1000
    start = np.rint(offset).astype(np.int64)
    end = start + num_samples
    heard = np.maximum(end // SAMPLES_PER_BIN, 0)
    return Extent(np.where(np.asarray(num_frames) > 0, num_frames, heard), start, end)


def extent_of(clip: ClipRecord) -> Extent:
    """How far one record reaches, in Python's integers."""
    return Extent(
        *(int(x) for x in extent(len(clip.frames), clip.audio.size, clip.audio_offset_ms))
    )


def all_starts(of: Extent, spec: ClipSpec) -> Starts:
    """Everywhere that the window lies in the record; 0 where the record is shorter than it."""
    return Starts(0 * of.bins, np.maximum(of.bins - spec.num_bins, 0))


def starts_with_sound(of: Extent, spec: ClipSpec, samples: int) -> Starts:
    """Where the window holds at least so many samples of the record's sound."""
    first = _ceil(of.sound_start + samples - spec.num_samples)
    last = np.minimum(all_starts(of, spec).last, (of.sound_end - samples) // SAMPLES_PER_BIN)
    enough = (of.sound_end - of.sound_start >= samples) & (samples <= spec.num_samples)
    return Starts(np.maximum(first, 0), np.where(enough, last, -1))


def starts_with_shift(
    of: Extent, spec: ClipSpec, shift_seconds: tuple[float, float], way: int
) -> Starts:
    """Where a window of picture may begin whose sound lies wholly in the record, but elsewhere.

    Args:
        of: the record or records.
        spec: the window's length.
        shift_seconds: smallest and largest distance of the sound, positive.
        way: 1 for sound from later in the record, -1 for earlier.
    """
    low, high = _samples(shift_seconds)
    nearest, furthest = (low, high) if way > 0 else (-high, -low)
    final = of.sound_end - spec.num_samples  # the last sample that the sound may start at
    first = np.maximum(_ceil(of.sound_start - furthest), 0)
    last = np.minimum(of.bins - spec.num_bins, (final - nearest) // SAMPLES_PER_BIN)
    return Starts(first, np.where(final >= of.sound_start, last, -1))


def can_misalign(of: Extent, spec: ClipSpec, shift_seconds: tuple[float, float]) -> Numbers:
    """Whether `misaligned_window` finds one, for a record or for each of many."""
    return (
        starts_with_shift(of, spec, shift_seconds, +1).any
        | starts_with_shift(of, spec, shift_seconds, -1).any
    )


def misaligned_window(
    of: Extent, spec: ClipSpec, shift_seconds: tuple[float, float], rng: np.random.Generator
) -> Window:
    """A random window whose sound comes from earlier or later in the same record.

    Picture and sound lie wholly inside the record: silence at an edge would give the shift away.

    Args:
        of: a record of which `can_misalign` holds.
        spec: the window's length.
        shift_seconds: smallest and largest shift, positive; which way is drawn.
        rng: consumed.
    """
    ways = [way for way in (1, -1) if starts_with_shift(of, spec, shift_seconds, way).any]
    way = ways[int(rng.integers(len(ways)))]
    low, high = _samples(shift_seconds)
    final = of.sound_end - spec.num_samples
    # The furthest the sound can lie after the first, or before the last, place for the picture.
    last = of.bins - spec.num_bins
    room = final if way > 0 else last * SAMPLES_PER_BIN - of.sound_start
    shift = way * int(rng.integers(low, min(high, room) + 1))
    first = max(0, int(_ceil(of.sound_start - shift)))
    starts = Starts(first, min(last, (final - shift) // SAMPLES_PER_BIN))
    if starts.any:
        start = starts.draw(rng)
    else:  # the sound is so short that no place on the grid fits this very shift
        start = starts_with_shift(of, spec, shift_seconds, way).draw(rng)
        at = start * SAMPLES_PER_BIN
        nearest, furthest = sorted((at + way * low, at + way * high))
        shift = int(rng.integers(max(nearest, of.sound_start), min(furthest, final) + 1)) - at
    return Window(start, shift / SAMPLE_RATE)


def centre_window(clip: ClipRecord, spec: ClipSpec) -> Window:
    """The middle of the record; its beginning where it is shorter than the window."""
    return Window(int(all_starts(extent_of(clip), spec).last) // 2)


def sounding(of: Extent, spec: ClipSpec, window: Window) -> slice:
    """The samples of a window at which the record has sound."""
    first = _first_sample(window)
    low, high = np.clip([of.sound_start - first, of.sound_end - first], 0, spec.num_samples)
    return slice(int(low), int(high))


def cut_sound(
    clip: ClipRecord, spec: ClipSpec, window: Window
) -> tuple[Float32[np.ndarray, " s"], Bool[np.ndarray, " g"]]:
    """The window's sound, its first sample at the window's start to the nearest sample.

    Returns:
        waveform [s] in [-1, 1], zero where the record has no sound, and for each grid bin [g]
        whether there is sound at its centre.
    """
    of = extent_of(clip)
    part = sounding(of, spec, window)
    skipped = _first_sample(window) - of.sound_start
    waveform = np.zeros(spec.num_samples, np.float32)
    waveform[part] = clip.audio[part.start + skipped : part.stop + skipped] / np.float32(32768)
    centres = SAMPLES_PER_BIN // 2 + SAMPLES_PER_BIN * np.arange(spec.num_bins)
    return waveform, (centres >= part.start) & (centres < part.stop)


def _first_sample(window: Window) -> int:
    """Where the window's sound begins, samples after the record's first frame."""
    return window.start * SAMPLES_PER_BIN + round(window.sound_shift * SAMPLE_RATE)


def _samples(seconds: tuple[float, float]) -> tuple[int, int]:
    low, high = seconds
    return round(low * SAMPLE_RATE), round(high * SAMPLE_RATE)


def _ceil(samples: Numbers) -> Numbers:
    """The first grid bin that begins at or after a sample."""
    return -(-samples // SAMPLES_PER_BIN)
