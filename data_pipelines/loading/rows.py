"""What the loader maps: a sample to a training row, a position to an evaluation row.

Owns the choice of window, the sync negatives and the pseudo-fakes, which need the source for their
donors. Picklable, for worker processes.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool

from data_pipelines.forgeries.operations import OPERATIONS
from data_pipelines.loading.augment import augment_row, exchange_sound, is_genuine
from data_pipelines.loading.pseudo_fake import fitting_operations, forge_cut
from data_pipelines.loading.settings import AugmentConfig, ClipSpec
from data_pipelines.loading.source import Sample, TFRecordSource
from data_pipelines.loading.transforms import (
    ClipRow,
    Cut,
    blank_row,
    clip_row,
    cut_window,
    row_of_cut,
)
from data_pipelines.loading.window import Window, centre_window, misaligned_window, random_window
from data_pipelines.records.clip import OUT_OF_SYNC, ClipRecord
from data_pipelines.records.features import FeatureStore


@dataclasses.dataclass(frozen=True)
class TrainingRow:
    """Random window, sync negative and augmentation; a pure function of sample and generator."""

    source: TFRecordSource
    spec: ClipSpec
    config: AugmentConfig
    features: tuple[FeatureStore, ...] = ()

    def __post_init__(self) -> None:
        # Read here, so that worker processes get the table with their copy of the source.
        _ = self.source.pairs

    def __call__(self, sample: Sample, rng: np.random.Generator) -> ClipRow:
        if self.features:
            return self._with_features(sample)
        chance = rng.random()
        clip, window = self._choose(sample, chance, rng)
        operations = self._pseudo_fakes(clip, chance)
        if operations:
            cut = self._forge(sample, window, str(rng.choice(operations)), rng)
        else:
            cut = cut_window(clip, self.spec, window)
        row = row_of_cut(cut, self.spec, sample.index, int(self.source.pairs[sample.index]))
        return augment_row(row, self.config, rng)

    def _with_features(self, sample: Sample) -> ClipRow:
        """The clip's middle, unchanged, with what the towers made of it."""
        window = centre_window(sample.clip, self.spec)
        row = clip_row(sample, self.spec, window, int(self.source.pairs[sample.index]))
        stored = self.features[self.source.sets[sample.index]][sample.clip.clip_id]
        return row | {"video_features": stored.video, "audio_features": stored.audio}

    def _choose(
        self, sample: Sample, chance: float, rng: np.random.Generator
    ) -> tuple[ClipRecord, Window]:
        """The clip, perhaps made a sync negative, and the window of it to take."""
        clip = sample.clip
        if is_genuine(clip) and chance < self.config.sync_shift:
            window = misaligned_window(clip, self.spec, self.config.sync_shift_seconds, rng)
            if window is not None:
                return dataclasses.replace(clip, label_sync=OUT_OF_SYNC), window
        elif is_genuine(clip) and chance < self.config.sync_shift + self.config.sync_exchange:
            donor = self._donor(sample, rng)
            if donor is not None:
                clip = exchange_sound(clip, donor)
        return clip, random_window(clip, self.spec, rng)

    def _pseudo_fakes(self, clip: ClipRecord, chance: float) -> tuple[str, ...]:
        """The operations of which one is to forge this clip; none for most clips."""
        negatives = self.config.sync_shift + self.config.sync_exchange
        if not negatives <= chance < negatives + self.config.pseudo_fake:
            return ()
        return fitting_operations(clip, self.config)

    def _forge(self, sample: Sample, window: Window, name: str, rng: np.random.Generator) -> Cut:
        operation = OPERATIONS[name]
        cut = cut_window(sample.clip, self.spec, window, every_frame=operation.over_time)
        other = None
        if operation.needs_other:
            donor = self._donor(sample, rng)
            if donor is None:
                return cut
            first = int(rng.integers(max(0, donor.audio.size - self.spec.num_samples) + 1))
            other = donor.audio[first : first + self.spec.num_samples] / np.float32(32768)
        return forge_cut(cut, name, self.config.pseudo_fake_traces, rng, other)

    def _donor(self, sample: Sample, rng: np.random.Generator) -> ClipRecord | None:
        """Another genuine clip of the same set and another original; None where there is none.

        Sound of another set would be known by its recording, not by what was done.
        """
        pair, number = self.source.pairs[sample.index], self.source.sets[sample.index]
        others = self._genuine & ((self.source.pairs != pair) | (pair < 0))
        others &= self.source.sets == number
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
