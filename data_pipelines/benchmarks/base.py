"""What every data set's reader gives: where each clip lies and all that is known of it.

Owns the description of a clip before it is decoded. A reader reads lists and names, never media:
whether a file is there and usable is found out, and counted, by preparation.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from data_pipelines.records.clip import IN_SYNC, REAL, UNKNOWN

Stretches = tuple[tuple[float, float], ...]

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class ClipSource:
    """One clip of a data set; labels and methods as in `ClipRecord`.

    Attributes:
        path: the file, or a folder of numbered JPEG pictures at 25 a second.
        audio_path: the sound's file where it is another; both start together.
        key: its name within the data set, unique there; usually the path relative to the root.
        dataset: lower case letters, digits and underscores.
        split: `train`, `val` or `test` as the data set states it; empty where it states none,
            until `data_pipelines.splits` has divided the clips.
        source_ids: every identity the clip touches: the target first, then face donor and voice.
        pair_id: clips made from one original share it.
        label_video, label_audio, label_sync: 1, 0 or -1 for unknown.
        method_video, method_audio: `none` for genuine, empty for unknown.
        forged_video: where the picture is forged, (start, end) in seconds of the file; a window
            that no stretch touches is genuine. None: all of it, if any.
        forged_audio: likewise for the sound.
        expects_video: the data set promises a picture, so a file without one is an error.
        expects_audio: likewise for sound.
        provenance: whatever else the data set says of it, as text.
    """

    path: pathlib.Path
    key: str
    dataset: str
    audio_path: pathlib.Path | None = None
    split: str = ""
    source_ids: tuple[str, ...] = ()
    pair_id: str = ""
    label_video: int = UNKNOWN
    label_audio: int = UNKNOWN
    label_sync: int = UNKNOWN
    method_video: str = ""
    method_audio: str = ""
    forged_video: Stretches | None = None
    forged_audio: Stretches | None = None
    expects_video: bool = False
    expects_audio: bool = False
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


def genuine_talk(**known: Any) -> ClipSource:
    """A clip in which a person is seen and heard, neither forged, in sync.

    Args:
        known: everything else of `ClipSource`.
    """
    return ClipSource(
        **known,
        label_video=REAL,
        label_audio=REAL,
        label_sync=IN_SYNC,
        method_video="none",
        method_audio="none",
        expects_video=True,
        expects_audio=True,
    )


# A reader: the data set's root -> its clips, in an order that is always the same. Options are
# keyword-only parameters with defaults, each a `str` or a `Literal` of its values. It raises
# `UserError`, one line, for a missing root or list and for what a list gets wrong.
Reader = Callable[..., list[ClipSource]]
