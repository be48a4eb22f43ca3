"""Which clip is made at which index: split, performance, kind, persons. Pure arithmetic.

A take is one performance: person, sentence, motion, light, camera, microphone. It appears twice,
genuine and forged, so that nothing but the forgery tells the two apart. The two lie side by side in
random order. Identities (look and voice) belong to one split, those a forgery borrows included.
"""

import dataclasses

import numpy as np

from data_pipelines.synthetic.kinds import AUDIO_ONLY, BOTH, GENUINE, VIDEO_ONLY, Kind, forgeries
from data_pipelines.synthetic.presets import TEST_NEURAL, Preset

_CLIPS_PER_TAKE = 2
# Added to the numbers of takes and persons of a split that is a set of its own: nobody and nothing
# in it is in any other set.
_APART = {TEST_NEURAL: 1_000_000}


@dataclasses.dataclass(frozen=True)
class ClipPlan:
    """What the clip at an index will be.

    Attributes:
        split: its split.
        take: the performance's number; genuine and forged version share it.
        kind: what is done to it.
        modalities: BOTH, VIDEO_ONLY or AUDIO_ONLY.
        identity: the person's number.
        pool: numbers of the persons of the same split, whom a forgery may borrow from.
    """

    split: str
    take: int
    kind: Kind
    modalities: str
    identity: int
    pool: range

    @property
    def method_video(self) -> str:
        """The record's; empty without picture."""
        return "" if self.modalities == AUDIO_ONLY else self.kind.video

    @property
    def method_audio(self) -> str:
        """The record's; empty without sound."""
        return "" if self.modalities == VIDEO_ONLY else self.kind.audio


def num_clips(preset: Preset) -> int:
    """Clips of the whole data set."""
    return _CLIPS_PER_TAKE * sum(preset.takes.values())


def split_range(preset: Preset, split: str) -> range:
    """The indices of a split's clips."""
    start = 0
    for name, takes in preset.takes.items():
        if name == split:
            return range(start, start + _CLIPS_PER_TAKE * takes)
        start += _CLIPS_PER_TAKE * takes
    raise ValueError(f"preset {preset.name!r} has no split {split!r}")


def plan_clip(preset: Preset, seed: int, index: int) -> ClipPlan:
    """The plan of one clip.

    Raises:
        IndexError: there is no such clip.
    """
    if not 0 <= index < num_clips(preset):
        raise IndexError(f"clip {index}: {preset.name} has clips 0 to {num_clips(preset) - 1}")
    place, which = divmod(index, _CLIPS_PER_TAKE)
    split, first = _split_of(preset, place)
    take = place + _APART.get(split, 0)
    identities = _identities(preset, split)
    rng = np.random.default_rng([seed, take, 1])
    modalities = _draw_modalities(preset, rng)
    forged_first = bool(rng.random() < 0.5)
    kinds = forgeries(split, modalities)
    # In turn rather than by chance: every kind is there even in a small split.
    forged = kinds[_shuffled_turn(seed, place - first, len(kinds))]
    return ClipPlan(
        split=split,
        take=take,
        kind=forged if (which == 0) == forged_first else GENUINE,
        modalities=modalities,
        identity=identities[(place - first) // preset.takes_per_identity],
        pool=identities,
    )


def _split_of(preset: Preset, take: int) -> tuple[str, int]:
    """The take's split and that split's first take."""
    first = 0
    for split, takes in preset.takes.items():
        if take < first + takes:
            return split, first
        first += takes
    raise IndexError(take)


def _identities(preset: Preset, split: str) -> range:
    """Numbers of a split's persons: at least two, so that there is somebody to borrow from."""
    start = 0
    for name, takes in preset.takes.items():
        count = max(2, -(-takes // preset.takes_per_identity))
        if name == split:
            start += _APART.get(split, 0)
            return range(start, start + count)
        start += count
    raise ValueError(split)


def _draw_modalities(preset: Preset, rng: np.random.Generator) -> str:
    chance = rng.random()
    if chance < preset.unimodal_share:
        return VIDEO_ONLY
    return AUDIO_ONLY if chance < 2 * preset.unimodal_share else BOTH


def _shuffled_turn(seed: int, turn: int, count: int) -> int:
    """Element `turn` of an endless sequence of random permutations of `range(count)`."""
    rounds, place = divmod(turn, count)
    order = np.random.default_rng([seed, rounds, count, 2]).permutation(count)
    return int(order[place])
