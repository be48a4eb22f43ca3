"""What may become of a clip in training, how likely, and with which labels: from its table alone.

Owns the odds that both the draw of a row (`draw`) and the expected shares of labels read. What
cannot happen to a clip (no room for a shift, no other clip to take sound from, too little sound, a
forgery of a modality that is not there) leaves it untouched. Reads no record.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int32

from data_pipelines.forgeries.operations import OPERATIONS
from data_pipelines.loading.pseudo_fake import LEAST_SOUND, forged_labels
from data_pipelines.loading.sampling import Stratum
from data_pipelines.loading.settings import SAMPLES_PER_BIN, AugmentConfig, ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.transforms import frame_bins
from data_pipelines.loading.window import Extent, Numbers, can_misalign, extent, starts_with_sound
from data_pipelines.records.clip import (
    FAKE,
    IN_SYNC,
    OUT_OF_SYNC,
    REAL,
    UNKNOWN,
    Labels,
    present_labels,
)

# Kinds of rows besides the names of forgeries.
UNTOUCHED, SHIFTED, EXCHANGED = "untouched", "sound shifted", "sound exchanged"

# By label (`label`, `label_video`, ...) and its value, the share of rows.
LabelShares = dict[str, dict[int, float]]


class Outcome(NamedTuple):
    """What becomes of a row.

    Attributes:
        kind: `UNTOUCHED`, `SHIFTED`, `EXCHANGED` or the name of the operation that forges it.
        drop: the modality taken away, `video` or `audio`; empty for none.
    """

    kind: str
    drop: str


@dataclasses.dataclass(frozen=True)
class Situation:
    """What decides what may become of a clip; most clips of a set share a few.

    Attributes:
        label_video, label_audio, label_sync, label: the record's.
        seen, heard: whether its windows hold some of its picture, and of its sound.
        room: whether its sound can be shifted.
        donor: whether another clip can give it sound.
        audible: whether a window holds enough sound to forge.
    """

    label_video: int
    label_audio: int
    label_sync: int
    label: int
    seen: bool
    heard: bool
    room: bool
    donor: bool
    audible: bool

    def odds(self, config: AugmentConfig) -> dict[Outcome, float]:
        """What may become of such a clip, with probabilities that sum to 1; untouched first."""
        both = self.seen and self.heard
        drops = {
            "": 1 - both * (config.drop_video + config.drop_audio),
            "video": both * config.drop_video,
            "audio": both * config.drop_audio,
        }
        pairs = itertools.product(self._kinds(config).items(), drops.items())
        odds = {Outcome(kind, drop): p * q for (kind, p), (drop, q) in pairs}
        return {outcome: p for outcome, p in odds.items() if p > 0}

    def labels(self, outcome: Outcome) -> Labels:
        """The labels of the row."""
        video, audio, sync = self.label_video, self.label_audio, self.label_sync
        if outcome.kind in OPERATIONS:
            video, audio, sync = forged_labels(video, audio, sync, OPERATIONS[outcome.kind].labels)
        elif outcome.kind != UNTOUCHED:
            sync = OUT_OF_SYNC
        return present_labels(video, audio, sync, *self.present(outcome))

    def present(self, outcome: Outcome) -> tuple[bool, bool]:
        """Whether the row has picture and sound."""
        return self.seen and outcome.drop != "video", self.heard and outcome.drop != "audio"

    def _kinds(self, config: AugmentConfig) -> dict[str, float]:
        chances = {SHIFTED: 0.0, EXCHANGED: 0.0}
        if (self.label_video, self.label_audio, self.label_sync) == (REAL, REAL, IN_SYNC):
            chances[SHIFTED] = config.sync_shift * self.room
            exchangeable = self.seen and self.heard and self.donor
            chances[EXCHANGED] = config.sync_exchange * exchangeable
        fitting = [name for name in config.pseudo_fake_operations if self._fits(name)]
        for name in fitting:
            chances[name] = config.pseudo_fake / len(fitting)
        return {UNTOUCHED: 1 - sum(chances.values()), **chances}

    def _fits(self, name: str) -> bool:
        operation = OPERATIONS[name]
        return (
            self.label == REAL
            and operation.fits(self.seen, self.heard)
            and (self.audible or not operation.touches_sound)
            and (self.donor or not operation.needs_other)
        )


class Outcomes:
    """The odds of every clip of a source.

    Attributes:
        situations: those there are.
        numbers: by position, which is the clip's.
        extent: by position, how far the record reaches.
        donors: who can give sound to whom.
    """

    def __init__(self, source: TFRecordSource, spec: ClipSpec, config: AugmentConfig) -> None:
        names = ("num_frames", "num_samples", "audio_offset_ms")
        frames, samples, offset = (source.column(name) for name in names)
        self.spec, self.config = spec, config
        self.extent: Extent = extent(frames, samples, offset)
        self.donors = Donors(source, spec)
        labels = ("label_video", "label_audio", "label_sync", "label")
        facts = {
            **{name: source.column(name) for name in labels},
            "seen": frames > frame_bins(spec)[0],
            "heard": starts_with_sound(self.extent, spec, SAMPLES_PER_BIN).any,
            "room": can_misalign(self.extent, spec, config.sync_shift_seconds),
            "donor": self.donors.exist(),
            "audible": starts_with_sound(self.extent, spec, LEAST_SOUND).any,
        }
        self.situations, self.numbers = _distinct(facts)

    def __len__(self) -> int:
        return len(self.numbers)

    @functools.cached_property
    def odds(self) -> list[tuple[list[Outcome], Float64[np.ndarray, " k"]]]:
        """By situation the outcomes, and the cumulative sums of their probabilities."""
        odds = [situation.odds(self.config) for situation in self.situations]
        return [(list(of), np.cumsum(list(of.values()))) for of in odds]

    @functools.cached_property
    def groups(self) -> Int32[np.ndarray, " n"]:
        """By position, the number of those clips among which rows are to be even.

        That of the situation: labels then keep their shares too. All are one group where nothing
        becomes of any clip.
        """
        changes = any(len(situation.odds(self.config)) > 1 for situation in self.situations)
        return self.numbers if changes else np.zeros_like(self.numbers)

    def pick(self, position: int, chance: float) -> Outcome:
        """What becomes of a clip, for a number in [0, 1); of 0, nothing."""
        outcomes, sums = self.odds[self.numbers[position]]
        return outcomes[min(int(np.searchsorted(sums, chance, "right")), len(outcomes) - 1)]

    def expected(self, strata: Sequence[Stratum]) -> LabelShares:
        """The share of rows that have each value of each label, exactly, over an endless run.

        Args:
            strata: which clips are drawn how often, see `make_strata`.
        """
        weights = np.zeros(len(self.situations))
        for stratum in strata:
            counts = np.bincount(self.numbers[stratum.clips], minlength=len(weights))
            weights += stratum.share * counts / len(stratum.clips)
        rows = (
            (weight * p, situation.labels(outcome))
            for weight, situation in zip(weights.tolist(), self.situations, strict=True)
            for outcome, p in situation.odds(self.config).items()
        )
        return label_shares(rows)


class Donors:
    """Which clips can give another one sound: genuine ones of the same set and another original.

    Sound of another set would be known by its recording, not by what was done; that of a clip whose
    sound is shorter than the window by the silence it leaves.
    """

    def __init__(self, source: TFRecordSource, spec: ClipSpec) -> None:
        positions = np.arange(len(source))
        genuine = genuine_clips(source) & (source.column("num_samples") >= spec.num_samples)
        # Clips without a known original are of one each.
        originals = np.where(source.pairs >= 0, source.pairs, -1 - positions)
        self._sets = source.sets
        self._keys = (source.sets.astype(np.int64) << 33) + originals
        able = np.flatnonzero(genuine)
        order = np.argsort(self._keys[able], kind="stable")
        self._able, self._sorted = able[order].astype(np.int32), self._keys[able][order]
        bounds = (np.arange(int(source.sets.max()) + 2, dtype=np.int64) << 33) - 2**32
        self._bounds = np.searchsorted(self._sorted, bounds)

    def exist(self) -> Bool[np.ndarray, " n"]:
        """By position, whether there is a donor for the clip."""
        return self._counts(self._keys, self._sets) > 0

    def draw(self, position: int, rng: np.random.Generator) -> int:
        """One of a clip's donors, all equally likely; there must be one."""
        key, number = self._keys[position], self._sets[position]
        own = np.searchsorted(self._sorted, key, "left")
        place = self._bounds[number] + rng.integers(self._counts(key, number))
        if place >= own:  # the clips of its own original lie together: step over them
            place += np.searchsorted(self._sorted, key, "right") - own
        return int(self._able[place])

    def _counts(self, keys: Numbers, sets: Numbers) -> Numbers:
        first, last = (np.searchsorted(self._sorted, keys, side) for side in ("left", "right"))
        return self._bounds[sets + 1] - self._bounds[sets] - (last - first)


def genuine_clips(source: TFRecordSource) -> Bool[np.ndarray, " n"]:
    """By position, whether picture, sound and their match are all known to be genuine."""
    names = ("label_video", "label_audio", "label_sync")
    video, audio, sync = (source.column(name) for name in names)
    return (video == REAL) & (audio == REAL) & (sync == IN_SYNC)


def label_shares(rows: Iterator[tuple[float, Labels]]) -> LabelShares:
    """The distribution of each label's values over rows of given weights."""
    names = {"label": "any", "label_video": "video", "label_audio": "audio", "label_sync": "sync"}
    sums = {name: dict.fromkeys((FAKE, REAL, UNKNOWN), 0.0) for name in names}
    total = 0.0
    for weight, labels in rows:
        total += weight
        for name, field in names.items():
            sums[name][getattr(labels, field)] += weight
    return {
        name: {value: share / total for value, share in of.items()} for name, of in sums.items()
    }


def _distinct(facts: Mapping[str, np.ndarray]) -> tuple[list[Situation], Int32[np.ndarray, " n"]]:
    """The situations there are, and by position the number of the clip's."""
    keys = np.zeros(len(next(iter(facts.values()))), np.int64)
    for values in facts.values():  # each is -1, 0 or 1
        keys = 3 * keys + values + 1
    _, firsts, numbers = np.unique(keys, return_index=True, return_inverse=True)
    situations = [
        Situation(**{name: values[first].item() for name, values in facts.items()})
        for first in firsts
    ]
    return situations, numbers.astype(np.int32)
