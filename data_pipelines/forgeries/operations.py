"""The forgeries by name, for any clip: what each needs, does, and makes of the labels.

They turn genuine clips into training examples ("pseudo-fakes") where no forged ones exist, and the
synthetic data set is made with the same functions. Knows nothing of records or files.
"""

import dataclasses
import types
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8

from data_pipelines.errors import UserError, nearest
from data_pipelines.forgeries import picture, sound
from data_pipelines.forgeries.names import NAMES
from data_pipelines.forgeries.regions import Regions
from data_pipelines.forgeries.traces import Traces
from data_pipelines.records.clip import FAKE, IN_SYNC, OUT_OF_SYNC, REAL, UNKNOWN


@dataclasses.dataclass(frozen=True)
class Footage:
    """A genuine clip, decoded.

    Attributes:
        frames: RGB; none where the clip has no picture.
        regions: face and mouth in each frame.
        audio: 16 kHz in [-1, 1]; none where the clip has no sound.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    regions: Regions
    audio: Float32[np.ndarray, " s"]


@dataclasses.dataclass(frozen=True)
class Labels:
    """What is true of a clip: 1 fake and 0 real; sync: 1 in, 0 out; -1 unknown."""

    video: int
    audio: int
    sync: int


@dataclasses.dataclass(frozen=True)
class Forgery:
    """A forged clip.

    Attributes:
        frames, audio: as in `Footage`.
        labels: what follows from the operation, for genuine footage.
        mask: 1 where the picture was changed; all 0 where it was not.
        delay: seconds by which the sound now comes late.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    audio: Float32[np.ndarray, " s"]
    labels: Labels
    mask: Float32[np.ndarray, "t h w"]
    delay: float = 0.0


class ForgeryError(UserError):
    """There is no such operation, or the footage lacks what it needs."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """What a forgery does and needs.

    Attributes:
        labels: of the forged clip, for genuine footage with both modalities.
        picture: (footage, rng, traces) -> frames, mask; none where the picture stays.
        sound: (audio, other audio, rng, traces) -> audio; none where it stays or is delayed.
        needs_other: whether another clip's sound is needed.
        over_time: whether a frame's forgery depends on its neighbours.
    """

    labels: Labels
    picture: Callable | None = None
    sound: Callable | None = None
    needs_other: bool = False
    over_time: bool = False

    @property
    def touches_sound(self) -> bool:
        return self.picture is None

    def fits(self, has_video: bool, has_audio: bool) -> bool:
        """Whether a clip with these modalities would be forged by it."""
        if self.labels.sync == OUT_OF_SYNC:
            return has_video and has_audio
        return has_audio if self.touches_sound else has_video


def _vocoders() -> types.ModuleType:
    """Imported where a sound is first forged: it takes a second, and few programs forge any."""
    from data_pipelines.forgeries import vocoders

    return vocoders


_PICTURE_FAKE, _SOUND_FAKE = Labels(FAKE, REAL, IN_SYNC), Labels(REAL, FAKE, IN_SYNC)
_MISMATCH = Labels(REAL, REAL, OUT_OF_SYNC)

OPERATIONS = {
    "self_blend": Operation(
        _PICTURE_FAKE, picture=lambda f, r, t: picture.self_blend(f.frames, f.regions.faces, r, t)
    ),
    "mouth": Operation(
        _PICTURE_FAKE,
        picture=lambda f, r, t: picture.regenerate_mouth(
            f.frames, f.frames, f.regions.mouths, r, t
        ),
    ),
    "smooth": Operation(
        _PICTURE_FAKE,
        picture=lambda f, r, t: picture.smooth_over_time(f.frames, f.regions.faces, r),
        over_time=True,
    ),
    "neural": Operation(
        _PICTURE_FAKE,
        picture=lambda f, r, t: picture.autoencode(f.frames, f.regions.faces, r, t),
        over_time=True,
    ),
    "world": Operation(_SOUND_FAKE, sound=lambda a, o, r, t: _vocoders().convert_voice(a, r, t)),
    "mel": Operation(_SOUND_FAKE, sound=lambda a, o, r, t: _vocoders().resynthesise_mel(a, r, t)),
    "lpc": Operation(_SOUND_FAKE, sound=lambda a, o, r, t: _vocoders().resynthesise_lpc(a, r)),
    "pitch": Operation(_SOUND_FAKE, sound=lambda a, o, r, t: _vocoders().shift_pitch(a, r)),
    "splice": Operation(
        Labels(REAL, FAKE, UNKNOWN),
        sound=lambda a, o, r, t: sound.splice(a, o, r),
        needs_other=True,
    ),
    "foreign": Operation(_MISMATCH, sound=lambda a, o, r, t: sound.replace(a, o), needs_other=True),
    "delay": Operation(_MISMATCH),
}


def forge(
    name: str,
    footage: Footage,
    rng: np.random.Generator,
    *,
    traces: Traces,
    other: Float32[np.ndarray, " n"] | None = None,
) -> Forgery:
    """Forges a genuine clip.

    Args:
        name: one of NAMES.
        footage: the clip; it needs only the modality that the operation touches.
        rng, traces: chance and strength.
        other: another clip's sound, for `splice` and `foreign`.

    Returns:
        The forgery; labels of an absent modality, and sync with it, are -1.

    Raises:
        ForgeryError: unknown name, or the footage lacks what the operation needs.
    """
    if name not in OPERATIONS:
        raise ForgeryError(f"no forgery {name!r}; {nearest(name, NAMES)}")
    operation = OPERATIONS[name]
    _check(name, operation, footage, other)
    frames, audio, delayed = footage.frames, footage.audio, 0.0
    mask = np.zeros(frames.shape[:3], np.float32)
    if operation.picture is not None:
        frames, mask = operation.picture(footage, rng, traces)
    if operation.sound is not None:
        # A vocoder changes the level a little, which would be heard before its traces.
        audio = sound.at_level(operation.sound(audio, other, rng, traces), footage.audio)
    if name == "delay":
        delayed = sound.draw_delay(rng)
        audio = sound.delay(audio, delayed)
    return Forgery(frames, audio, _present(operation.labels, footage), mask, delayed)


def _check(name: str, operation: Operation, footage: Footage, other: np.ndarray | None) -> None:
    if operation.picture is not None and not len(footage.frames):
        raise ForgeryError(f"forgery {name!r} needs a picture; this clip has none")
    if operation.touches_sound and not len(footage.audio):
        raise ForgeryError(f"forgery {name!r} needs sound; this clip has none")
    if operation.needs_other and (other is None or not len(other)):
        raise ForgeryError(f"forgery {name!r} needs another clip's sound")


def _present(labels: Labels, footage: Footage) -> Labels:
    has_video, has_audio = len(footage.frames) > 0, len(footage.audio) > 0
    return Labels(
        labels.video if has_video else UNKNOWN,
        labels.audio if has_audio else UNKNOWN,
        labels.sync if has_video and has_audio else UNKNOWN,
    )
