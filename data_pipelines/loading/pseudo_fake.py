"""Pseudo-fakes: a genuine window forged on the fly, for training where no forged clips exist.

Owns which operations fit a clip, the forging of a window that was cut out, and the labels. What
cameras, codecs and microphones do comes afterwards and is the same for every clip (`augment`):
nothing but the forgery may tell a forged clip from a genuine one.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32

from data_pipelines.errors import UserError
from data_pipelines.forgeries.operations import OPERATIONS, Footage, Labels, forge
from data_pipelines.forgeries.regions import Regions, regions_of_crop
from data_pipelines.forgeries.traces import STRENGTHS
from data_pipelines.loading.settings import SAMPLES_PER_BIN, AugmentConfig
from data_pipelines.loading.transforms import Cut
from data_pipelines.records.clip import FAKE, IN_SYNC, REAL, SAMPLE_RATE, ClipRecord
from data_pipelines.records.schema import ClipSummary

_LEAST_SOUND = SAMPLE_RATE // 5  # samples; the vocoders need some speech to leave a trace in


def fitting_operations(clip: ClipRecord | ClipSummary, config: AugmentConfig) -> tuple[str, ...]:
    """The configured operations that would forge this clip; none unless all of it is genuine."""
    if clip.label != REAL:
        return ()
    return tuple(
        name
        for name in config.pseudo_fake_operations
        if OPERATIONS[name].fits(clip.has_video, clip.has_audio)
    )


def fake_shares(clip: ClipSummary, config: AugmentConfig) -> dict[str, float]:
    """How often training sees `label`, `label_video` and `label_audio` of a clip as fake.

    Sync negatives are not counted.
    """
    names = fitting_operations(clip, config)
    labels = [OPERATIONS[name].labels for name in names]
    chance = config.pseudo_fake / max(len(names), 1)
    return {
        "label": float(clip.label == FAKE) + chance * len(names),
        "label_video": float(clip.label_video == FAKE)
        + chance * sum(label.video == FAKE for label in labels),
        "label_audio": float(clip.label_audio == FAKE)
        + chance * sum(label.audio == FAKE for label in labels),
    }


def forge_cut(
    cut: Cut,
    name: str,
    strength: str,
    rng: np.random.Generator,
    other: Float32[np.ndarray, " n"] | None = None,
) -> Cut:
    """Forges a window of a genuine clip; where nothing changes, as in silence, neither do labels.

    Args:
        cut: the window; with every frame where the operation works over time.
        name: one of `forgeries.operations.NAMES`.
        strength: one of `forgeries.traces.STRENGTHS`.
        rng: consumed.
        other: another clip's sound, for the operations that need it.

    Raises:
        UserError: the frames differ in size.
    """
    if OPERATIONS[name].touches_sound:
        heard = np.flatnonzero(np.repeat(cut.waveform_mask, SAMPLES_PER_BIN))
        if len(heard) < _LEAST_SOUND:
            return cut
        # In one piece: a record's sound has no gaps.
        sounding = slice(int(heard[0]), int(heard[-1]) + 1)
        sound = _forge_sound(cut.waveform[sounding], name, strength, rng, other)
        if np.array_equal(sound, cut.waveform[sounding]):
            return cut
        waveform = cut.waveform.copy()
        waveform[sounding] = sound
        cut = dataclasses.replace(cut, waveform=waveform)
    else:
        if not cut.frames:
            return cut
        cut = dataclasses.replace(cut, frames=_forge_picture(cut, name, strength, rng))
    return _relabelled(cut, OPERATIONS[name].labels)


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


def _relabelled(cut: Cut, labels: Labels) -> Cut:
    """An operation's labels over the clip's: it forges, or leaves what it does not touch."""
    return dataclasses.replace(
        cut,
        label_video=FAKE if labels.video == FAKE else cut.label_video,
        label_audio=FAKE if labels.audio == FAKE else cut.label_audio,
        label_sync=cut.label_sync if labels.sync == IN_SYNC else labels.sync,
    )
