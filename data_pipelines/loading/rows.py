"""What the loader maps: a sample to a training row, a position to an evaluation row.

Owns the choice of window and the sync negatives, which need the source for their donors. Picklable,
for worker processes.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool

from data_pipelines.loading.augment import AugmentConfig, augment_row, exchange_sound, is_genuine
from data_pipelines.loading.source import Sample, TFRecordSource
from data_pipelines.loading.transforms import ClipRow, blank_row, clip_row
from data_pipelines.loading.window import (
    ClipSpec,
    Window,
    centre_window,
    misaligned_window,
    random_window,
)
from data_pipelines.records.clip import OUT_OF_SYNC, ClipRecord


@dataclasses.dataclass(frozen=True)
class TrainingRow:
    """Random window, sync negative and augmentation; a pure function of sample and generator."""

    source: TFRecordSource
    spec: ClipSpec
    config: AugmentConfig

    def __post_init__(self) -> None:
        # Read here, so that worker processes get the table with their copy of the source.
        _ = self.source.pairs

    def __call__(self, sample: Sample, rng: np.random.Generator) -> ClipRow:
        clip, window = self._choose(sample, rng)
        pair = int(self.source.pairs[sample.index])
        row = clip_row(Sample(sample.index, clip), self.spec, window, pair)
        return augment_row(row, self.config, rng)

    def _choose(self, sample: Sample, rng: np.random.Generator) -> tuple[ClipRecord, Window]:
        """The clip, perhaps made a sync negative, and the window of it to take."""
        clip, chance = sample.clip, rng.random()
        if is_genuine(clip) and chance < self.config.sync_shift:
            window = misaligned_window(clip, self.spec, self.config.sync_shift_seconds, rng)
            if window is not None:
                return dataclasses.replace(clip, label_sync=OUT_OF_SYNC), window
        elif is_genuine(clip) and chance < self.config.sync_shift + self.config.sync_exchange:
            donor = self._donor(sample, rng)
            if donor is not None:
                clip = exchange_sound(clip, donor)
        return clip, random_window(clip, self.spec, rng)

    def _donor(self, sample: Sample, rng: np.random.Generator) -> ClipRecord | None:
        """Another genuine clip, of another original; None where there is none."""
        pair = self.source.pairs[sample.index]
        others = self._genuine & ((self.source.pairs != pair) | (pair < 0))
        others[sample.index] = False
        candidates = np.flatnonzero(others)
        if not candidates.size:
            return None
        index = int(rng.choice(candidates))
        donor = self.source[index]
        # The stand-in for a corrupt record may be any clip.
        return donor.clip if donor.index == index else None

    @functools.cached_property
    def _genuine(self) -> Bool[np.ndarray, " n"]:
        return np.array([is_genuine(summary) for summary in self.source.summaries])


@dataclasses.dataclass(frozen=True)
class EvaluationRow:
    """The middle of the clip at a position; a blank row for padding and for what cannot be read."""

    source: TFRecordSource
    spec: ClipSpec

    def __post_init__(self) -> None:
        _ = self.source.pairs

    def __call__(self, position: int) -> ClipRow:
        if position >= len(self.source):
            return blank_row(self.spec, clip_index=-1)
        sample = self.source[position]
        if sample.index != position:
            return blank_row(self.spec, clip_index=position)
        window = centre_window(sample.clip, self.spec)
        return clip_row(sample, self.spec, window, int(self.source.pairs[position]))
