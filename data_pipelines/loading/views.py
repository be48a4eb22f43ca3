"""How an evaluation sees a clip: as it is, out of sync, corrupted.

A view cuts one window out of a record, always the same one. Nothing here knows rows or batches.
"""

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np

from data_pipelines.corruptions.registry import corrupt, find_corruption
from data_pipelines.forgeries.sound import delay
from data_pipelines.loading.sampling import derived_seed
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.transforms import Cut, cut_window, decode_frame
from data_pipelines.loading.window import (
    Window,
    all_starts,
    can_misalign,
    centre_window,
    extent_of,
    misaligned_window,
    starts_with_shift,
)
from data_pipelines.records.clip import OUT_OF_SYNC, ClipRecord

# Cuts a window of the spec's shape out of a record; None where it has none to show.
View = Callable[[ClipRecord, ClipSpec], Cut | None]


def centred(clip: ClipRecord, spec: ClipSpec) -> Cut:
    """The middle of the record."""
    return cut_window(clip, spec, centre_window(clip, spec))


@dataclasses.dataclass(frozen=True)
class SyncShift:
    """Sound from elsewhere in the same record; for a clip of one name always from the same place.

    Attributes:
        seed: decides, with the clip's name.
        seconds: the smallest and the largest shift, positive.
    """

    seed: int
    seconds: tuple[float, float]

    def __call__(self, clip: ClipRecord, spec: ClipSpec) -> Cut | None:
        of = extent_of(clip)
        if not can_misalign(of, spec, self.seconds):
            return None
        name = zlib.crc32(clip.clip_id.encode())
        rng = np.random.default_rng(derived_seed(self.seed, name))
        window = misaligned_window(of, spec, self.seconds, rng)
        return dataclasses.replace(cut_window(clip, spec, window), label_sync=OUT_OF_SYNC)


@dataclasses.dataclass(frozen=True)
class Delayed:
    """The record with its sound moved against the picture.

    The window lies as near to the record's middle as the sound that is then heard allows: no
    silence gives the delay away. In a record without room for that the sound is closed to a ring,
    see `forgeries.sound.delay`, and the window has as much of the sound's own as there is.

    Attributes:
        milliseconds: by which the sound is late; negative where it is early.
    """

    milliseconds: int

    def __call__(self, clip: ClipRecord, spec: ClipSpec) -> Cut | None:
        """None where picture or sound is missing."""
        if not clip.has_video or not clip.has_audio:
            return None
        if not self.milliseconds:
            return centred(clip, spec)
        seconds, middle = self.milliseconds / 1000, centre_window(clip, spec).start
        way = -1 if seconds > 0 else 1  # late sound is that of earlier pictures
        starts = starts_with_shift(extent_of(clip), spec, (abs(seconds), abs(seconds)), way)
        if starts.any:
            window = Window(int(np.clip(middle, starts.first, starts.last)), -seconds)
        else:
            last = int(all_starts(extent_of(clip), spec).last)
            window = Window(last if seconds > 0 else 0)
            ring = delay((clip.audio / np.float32(32768)).astype(np.float32), seconds)
            clip = dataclasses.replace(clip, audio=np.round(ring * 32768).astype(np.int16))
        return dataclasses.replace(cut_window(clip, spec, window), label_sync=OUT_OF_SYNC)


@dataclasses.dataclass(frozen=True)
class Corrupted:
    """The middle of the record after its whole picture, or its whole sound, was corrupted.

    Attributes:
        kind, severity: see `corruptions.registry`.

    Raises:
        UserError: there is no such corruption, or it cannot be made here.
    """

    kind: str
    severity: int

    def __post_init__(self) -> None:
        find_corruption(self.kind, self.severity)

    def __call__(self, clip: ClipRecord, spec: ClipSpec) -> Cut:
        how = self.kind, self.severity, clip.clip_id
        if find_corruption(self.kind, self.severity).modality == "sound":
            return centred(dataclasses.replace(clip, audio=corrupt(clip.audio, *how)), spec)
        window = centre_window(clip, spec)
        cut = cut_window(clip, spec, window)
        if not cut.bins:
            return cut
        frames = np.stack([decode_frame(clip, index) for index in range(len(clip.frames))])
        frames = corrupt(frames, *how)
        return dataclasses.replace(
            cut, frames=tuple(frames[window.start + bin_] for bin_ in cut.bins)
        )
