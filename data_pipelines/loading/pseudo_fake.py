"""Pseudo-fakes: a genuine window forged on the fly, for training where no forged clips exist.

Owns the forging of a window that was cut out, and the labels; which clip is forged how is drawn
before (`draw`). What cameras, codecs and microphones do comes afterwards and is the same for every
clip (`augment`): nothing but the forgery may tell a forged clip from a genuine one.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32

from data_pipelines.errors import UserError
from data_pipelines.forgeries.operations import OPERATIONS, Footage, Labels, forge
from data_pipelines.forgeries.regions import Regions, regions_of_crop
from data_pipelines.forgeries.traces import STRENGTHS
from data_pipelines.loading.transforms import Cut
from data_pipelines.records.clip import FAKE, IN_SYNC, OUT_OF_SYNC, SAMPLE_RATE

LEAST_SOUND = SAMPLE_RATE // 5  # samples; the vocoders need some speech to leave a trace in


def forge_cut(
    cut: Cut,
    name: str,
    strength: str,
    rng: np.random.Generator,
    other: Float32[np.ndarray, " n"] | None = None,
) -> Cut:
    """Forges a window of a genuine clip.

    Where nothing changes, as in silence, neither do the labels: only the decoded sound shows it.

    Args:
        cut: the window, of a clip that the operation fits, with `LEAST_SOUND` samples of sound if
            it touches that; with every frame where it works over time.
        name: one of `forgeries.operations.NAMES`.
        strength: one of `forgeries.traces.STRENGTHS`.
        rng: consumed.
        other: another clip's sound, as long as the window, for the operations that need it.

    Raises:
        UserError: the frames differ in size.
    """
    if OPERATIONS[name].touches_sound:
        sound = _forge_sound(cut.waveform[cut.sounding], name, strength, rng, other)
        if np.array_equal(sound, cut.waveform[cut.sounding]):
            return cut
        waveform = cut.waveform.copy()
        waveform[cut.sounding] = sound
        cut = dataclasses.replace(cut, waveform=waveform)
    else:
        cut = dataclasses.replace(cut, frames=_forge_picture(cut, name, strength, rng))
    made = OPERATIONS[name].labels
    video, audio, sync = forged_labels(cut.label_video, cut.label_audio, cut.label_sync, made)
    return dataclasses.replace(cut, label_video=video, label_audio=audio, label_sync=sync)


def exchange_sound(cut: Cut, other: Float32[np.ndarray, " s"]) -> Cut:
    """The window with another clip's sound where it has its own: nothing forged, but no match."""
    waveform = np.zeros_like(cut.waveform)
    waveform[cut.sounding] = other[cut.sounding]
    return dataclasses.replace(cut, waveform=waveform, label_sync=OUT_OF_SYNC)


def forged_labels(video: int, audio: int, sync: int, made: Labels) -> tuple[int, int, int]:
    """An operation's labels over a clip's: it forges, or leaves what it does not touch.

    Returns:
        label_video, label_audio, label_sync.
    """
    return (
        FAKE if made.video == FAKE else video,
        FAKE if made.audio == FAKE else audio,
        sync if made.sync == IN_SYNC else made.sync,
    )


def _forge_picture(
    cut: Cut, name: str, strength: str, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    if len({frame.shape for frame in cut.frames}) > 1:
        raise UserError(f"pseudo-fake {name!r} needs a clip whose frames are of one size")
    frames = np.stack(cut.frames)
    regions = regions_of_crop(cut.mouth_boxes.astype(np.float64), frames.shape[1])
    footage = Footage(frames, regions, np.zeros(0, np.float32))
    return tuple(forge(name, footage, rng, traces=STRENGTHS[strength]).frames)


def _forge_sound(
    sound: np.ndarray, name: str, strength: str, rng: np.random.Generator, other: np.ndarray | None
) -> Float32[np.ndarray, " s"]:
    nowhere = Regions(np.zeros((0, 1, 2)), np.zeros((0, 4)))
    footage = Footage(np.zeros((0, 1, 1, 3), np.uint8), nowhere, sound)
    forged = forge(name, footage, rng, traces=STRENGTHS[strength], other=other).audio
    # To 16 bits, as every record's sound: finer steps would be heard in its pauses.
    return np.round(forged * 32768).clip(-32768, 32767).astype(np.float32) / np.float32(32768)
