"""The record: one window of one clip, as everything after preparation sees it.

Owns the fields, their units and the label convention. Knows nothing of files or serialisation
(see `schema`).
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int16

FRAME_RATE = 25  # Hz, of every prepared clip
SAMPLE_RATE = 16_000  # Hz, of every prepared clip

FAKE, REAL, UNKNOWN = 1, 0, -1  # label_video, label_audio, label
IN_SYNC, OUT_OF_SYNC = 1, 0  # label_sync; UNKNOWN as above


class Labels(NamedTuple):
    """What is true of a clip; the values are those of a record's fields `label_*` and `label`."""

    video: int
    audio: int
    sync: int
    any: int


@dataclasses.dataclass(frozen=True)
class ClipRecord:
    """One aligned talking-face window with its sound, labels and provenance.

    Frame `i` is shown at `frame_times_ms[i]`, a grid of 40 ms in the source file's time. The first
    audio sample sounds `audio_offset_ms` after the first frame (negative: before it); preparation
    cuts both to the same window, so it is 0 unless the sound starts late or is missing.

    Attributes:
        clip_id: unique name, `dataset/path#start_ms`.
        dataset: the data set's name.
        split: `train`, `val` or `test`.
        source_ids: every identity the clip touches: target, face donor, voice.
        pair_id: clips made from one original share it; empty where there is none.
        method_video: how the picture was forged; `none` for a genuine one, empty for unknown.
        method_audio: the same for the sound.
        frames: JPEG bytes of aligned square face crops, one a frame; empty without picture.
        frame_times_ms: [t] presentation times in milliseconds.
        mouth_boxes: [t 4] x0, y0, x1, y1 of the mouth in pixels of the crop.
        audio: [s] mono samples at 16 kHz, 16-bit; empty without sound.
        audio_offset_ms: start of the sound relative to the first frame, milliseconds.
        label_video: 1 fake, 0 real, -1 unknown (also without picture).
        label_audio: 1 fake, 0 real, -1 unknown (also without sound).
        label_sync: 1 lips and speech belong together in time, 0 they do not, -1 unknown.
        provenance: source file, fps, codec, size, hash and whatever else a reader knows, as text;
            `sound_delay_ms` where the sound of a clip out of sync is late by a known time.
    """

    clip_id: str
    dataset: str
    split: str
    source_ids: tuple[str, ...]
    pair_id: str
    method_video: str
    method_audio: str
    frames: tuple[bytes, ...]
    frame_times_ms: Float[np.ndarray, " t"]
    mouth_boxes: Float[np.ndarray, "t 4"]
    audio: Int16[np.ndarray, " s"]
    audio_offset_ms: float
    label_video: int
    label_audio: int
    label_sync: int
    provenance: dict[str, str]

    @property
    def has_video(self) -> bool:
        return bool(self.frames)

    @property
    def has_audio(self) -> bool:
        return self.audio.size > 0

    @property
    def label(self) -> int:
        """1 if anything is forged, 0 if everything present is genuine, -1 otherwise."""
        return any_fake(self.label_video, self.label_audio, self.label_sync,
                        self.has_video, self.has_audio)  # fmt: skip

    @property
    def start_ms(self) -> float:
        """When the window starts, from the source's first frame or sample on; 0 where unknown.

        Not by `frame_times_ms`: a recording's own clock may begin hours after 0.
        """
        start = self.clip_id.rpartition("#")[2]
        return float(start) if start.isdecimal() else 0.0

    @property
    def sync_delay_ms(self) -> float:
        """By how much the sound is late against the lips; nan where that is not known."""
        return sync_delay_ms(self.label_sync, self.provenance)


def video_of(clip_id: str) -> str:
    """The name of the video, or of the sound alone, that a clip is a window of."""
    return clip_id.rsplit("#", 1)[0]


def any_fake(
    label_video: int, label_audio: int, label_sync: int, has_video: bool, has_audio: bool
) -> int:
    """The clip's label: 1 if picture, sound or their match is forged, 0 if all there is genuine.

    Sound that does not belong to the picture counts as a forgery even where both are genuine
    (label_sync 0); an unknown label_sync never makes a label unknown.
    """
    present = [label for label, has in ((label_video, has_video), (label_audio, has_audio)) if has]
    if FAKE in present or (has_video and has_audio and label_sync == OUT_OF_SYNC):
        return FAKE
    return UNKNOWN if UNKNOWN in present or not present else REAL


def present_labels(video: int, audio: int, sync: int, has_video: bool, has_audio: bool) -> Labels:
    """The labels of a clip of which only some is there: of a missing modality nothing is known."""
    video = video if has_video else UNKNOWN
    audio = audio if has_audio else UNKNOWN
    sync = sync if has_video and has_audio else UNKNOWN
    return Labels(video, audio, sync, any_fake(video, audio, sync, has_video, has_audio))


def sync_delay_ms(label_sync: int, provenance: Mapping[str, str]) -> float:
    """By how much the sound is late against the lips, in milliseconds.

    0 in sync; out of sync what the provenance says, if anything: the sound may be another's. nan
    where nothing is known.

    Raises:
        ValueError: the provenance holds no number.
    """
    if label_sync == IN_SYNC:
        return 0.0
    known = provenance.get("sound_delay_ms", "") if label_sync == OUT_OF_SYNC else ""
    return float(known) if known else np.nan
