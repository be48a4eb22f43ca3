"""What training sees in each row, before anything is decoded: a pure function of (seed, row).

Owns the choice of clip, window, negative or forgery, donor and dropped modality, all from the clip
table. The loader carries it out (`rows`); the labels it announces are those of the row.
"""

import collections
import dataclasses
import functools
import operator
from collections.abc import Iterable, Sequence
from typing import SupportsIndex

import numpy as np

from data_pipelines.forgeries.operations import OPERATIONS
from data_pipelines.loading.outcomes import (
    EXCHANGED,
    SHIFTED,
    UNTOUCHED,
    LabelShares,
    Outcome,
    Outcomes,
    label_shares,
)
from data_pipelines.loading.pseudo_fake import LEAST_SOUND
from data_pipelines.loading.sampling import (
    DRAWS,
    KINDS,
    Stratum,
    TrainingOrder,
    compact,
    derived_seed,
    divided,
    make_strata,
)
from data_pipelines.loading.settings import (
    NO_AUGMENTATION,
    SAMPLES_PER_BIN,
    AugmentConfig,
    ClipSpec,
)
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.window import (
    Extent,
    Window,
    all_starts,
    misaligned_window,
    starts_with_sound,
)
from data_pipelines.records.clip import Labels

# The golden ratio's fractional part in 64 bits: of all steps it leaves the smallest gaps.
_STEP, _WHOLE = 0x9E3779B97F4A7C15, 2**64


@dataclasses.dataclass(frozen=True)
class Draw:
    """One row of training.

    Attributes:
        row: its number, from the run's first.
        position: the clip's in the source.
        kind: `untouched`, `sound shifted`, `sound exchanged` or the operation that forges it.
        window: which part of the clip.
        donor: position of the clip that gives sound; -1 for none.
        donor_start: sample of the donor's sound at which that begins.
        drop: the modality taken away, `video` or `audio`; empty for none.
        has_video, has_audio: what the row then has.
        labels: the row's.
    """

    row: int
    position: int
    kind: str
    window: Window
    donor: int
    donor_start: int
    drop: str
    has_video: bool
    has_audio: bool
    labels: Labels

    @property
    def operation(self) -> str:
        """The name of the forgery; empty for none."""
        return self.kind if self.kind in OPERATIONS else ""


class TrainingDraws:
    """Row number -> `Draw`; an endless Grain `RandomAccessDataSource`.

    Clips come in `TrainingOrder`, those of unequal labels or odds as strata of their own. What
    becomes of a stratum's n-th clip is read off an additive recurrence in n, so that of any 2,000
    rows in succession each kind and each label has its share to within a few rows.

    A pickled copy carries what it was made of and works out the rest again.
    """

    def __init__(
        self,
        source: TFRecordSource,
        spec: ClipSpec,
        config: AugmentConfig = NO_AUGMENTATION,
        *,
        seed: int,
        strata: Sequence[Stratum] = (),
    ) -> None:
        """Draws of a run.

        Args:
            source: the clips.
            spec: the rows' shape.
            config: what may happen to a clip.
            seed: with the row, decides everything.
            strata: which clips are drawn how often, see `make_strata`; empty for all equally often.
        """
        self.source, self.spec, self.config, self.seed = source, spec, config, seed
        self._strata = [stratum._replace(clips=compact(stratum.clips)) for stratum in strata]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: SupportsIndex) -> Draw:
        row = operator.index(index)
        position, number, turn = self._order.find(row)
        chance = ((self._offsets[number] + turn * _STEP) % _WHOLE) / _WHOLE
        return self._draw(row, position, self.outcomes.pick(position, chance))

    def __repr__(self) -> str:
        return f"TrainingDraws({self.source!r}, {self.spec}, {self.config}, {self._order!r})"

    def __getstate__(self) -> dict:
        kept = ("source", "spec", "config", "seed", "_strata")
        return {name: self.__dict__[name] for name in kept}

    def stand_in(self, draw: Draw, position: int) -> Draw:
        """For a clip whose record is corrupt: another clip, untouched."""
        return self._draw(draw.row, position, Outcome(UNTOUCHED, ""))

    @functools.cached_property
    def outcomes(self) -> Outcomes:
        """What may become of each clip."""
        return Outcomes(self.source, self.spec, self.config)

    @functools.cached_property
    def _order(self) -> TrainingOrder:
        strata = divided(self._strata or make_strata(self.source), self.outcomes.groups)
        return TrainingOrder(strata, self.seed)

    @functools.cached_property
    def _offsets(self) -> list[int]:
        """Where each stratum's recurrence begins."""
        count = len(self._order.shares)
        return [derived_seed(self.seed, KINDS, number) << 32 for number in range(count)]

    def _draw(self, row: int, position: int, outcome: Outcome) -> Draw:
        rng = np.random.default_rng([self.seed, DRAWS, row])
        situation = self.outcomes.situations[self.outcomes.numbers[position]]
        extent = Extent(*(int(values[position]) for values in self.outcomes.extent))
        operation = OPERATIONS.get(outcome.kind)
        if outcome.kind == SHIFTED:
            window = misaligned_window(extent, self.spec, self.config.sync_shift_seconds, rng)
        else:
            forges_sound = operation is not None and operation.touches_sound
            least = LEAST_SOUND if forges_sound else SAMPLES_PER_BIN
            # A window that lacks a modality of the clip would be labelled as if that were missing.
            heard = starts_with_sound(extent, self.spec, least)
            starts = heard if situation.heard else all_starts(extent, self.spec)
            window = Window(starts.draw(rng))
        donor, donor_start = -1, 0
        if outcome.kind == EXCHANGED or (operation is not None and operation.needs_other):
            donor = self.outcomes.donors.draw(position, rng)
            spare = int(self._num_samples[donor]) - self.spec.num_samples
            donor_start = int(rng.integers(spare + 1))
        labels = situation.labels(outcome)
        has_video, has_audio = situation.present(outcome)
        return Draw(
            row, position, outcome.kind, window, donor, donor_start, outcome.drop,
            has_video, has_audio, labels,
        )  # fmt: skip

    @functools.cached_property
    def _num_samples(self) -> np.ndarray:
        return self.source.column("num_samples")


@dataclasses.dataclass(frozen=True)
class DrawSummary:
    """What some rows hold.

    Attributes:
        rows: how many they are.
        kinds: kind -> number of rows, the most frequent first.
        drops: dropped modality, empty for none -> number of rows.
        labels: label and value -> share of the rows.
    """

    rows: int
    kinds: dict[str, int]
    drops: dict[str, int]
    labels: LabelShares


def summarise(draws: Iterable[Draw]) -> DrawSummary:
    """Counts rows by kind, and the shares of their labels. There must be at least one."""
    draws = list(draws)
    kinds = collections.Counter(draw.kind for draw in draws)
    drops = collections.Counter(draw.drop for draw in draws)
    labels = label_shares((1.0, draw.labels) for draw in draws)
    return DrawSummary(len(draws), dict(kinds.most_common()), dict(drops.most_common()), labels)


def expected_labels(
    source: TFRecordSource,
    strata: Sequence[Stratum],
    spec: ClipSpec,
    config: AugmentConfig = NO_AUGMENTATION,
) -> LabelShares:
    """The shares of labels that `TrainingDraws` of the same arguments tends to, exactly."""
    return Outcomes(source, spec, config).expected(strata)
