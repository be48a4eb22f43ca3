"""What the loader maps: a draw to a training row, a position to an evaluation row.

Owns carrying out what was drawn: read, cut, forge, make the row, augment. Picklable, for worker
processes.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32

from data_pipelines.forgeries.operations import OPERATIONS
from data_pipelines.loading.augment import augment_row, shift_mouths
from data_pipelines.loading.draw import Draw, TrainingDraws
from data_pipelines.loading.outcomes import EXCHANGED, SHIFTED, UNTOUCHED
from data_pipelines.loading.pseudo_fake import exchange_sound, forge_cut
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.transforms import (
    ClipRow,
    Cut,
    blank_row,
    clip_row,
    cut_window,
    row_of_cut,
)
from data_pipelines.loading.views import View, centred
from data_pipelines.loading.window import centre_window
from data_pipelines.records.clip import OUT_OF_SYNC, ClipRecord
from data_pipelines.records.feature_store import FeatureStore


@dataclasses.dataclass(frozen=True)
class TrainingRow:
    """The row that was drawn: draw -> cut -> forge -> shift mouths -> row -> augment.

    A pure function of draw and generator, which forgeries and augmentation consume. The row's
    labels are the draw's, but where the decoded media are not what the table promises: a sound that
    forging leaves as it is (silence) stays genuine, and a corrupt record is stood in for by
    another, untouched, a corrupt donor by nobody.

    Attributes:
        draws: what made the draw.
        features: one store for each of the source's sets, to be read with every clip; none for
            none.
    """

    draws: TrainingDraws
    features: tuple[FeatureStore, ...] = ()

    def __call__(self, draw: Draw, rng: np.random.Generator) -> ClipRow:
        sample = self.draws.source[draw.position]
        if self.features:
            return self._with_features(sample)
        if sample.index != draw.position:
            draw = self.draws.stand_in(draw, sample.index)
        cut = self._forge(self._cut(sample.clip, draw), draw, rng)
        cut = shift_mouths(cut, self.draws.config.mouth_shift, rng)
        pair = int(self.draws.source.pairs[draw.position])
        row = row_of_cut(cut, self.draws.spec, draw.position, pair)
        return augment_row(row, self.draws.config, rng)

    def _cut(self, clip: ClipRecord, draw: Draw) -> Cut:
        """The window without what the row will not have: that is not even decoded."""
        if not draw.has_video:
            clip = dataclasses.replace(clip, frames=())
        if not draw.has_audio:
            clip = dataclasses.replace(clip, audio=clip.audio[:0])
        every_frame = bool(draw.operation) and OPERATIONS[draw.operation].over_time
        return cut_window(clip, self.draws.spec, draw.window, every_frame=every_frame)

    def _forge(self, cut: Cut, draw: Draw, rng: np.random.Generator) -> Cut:
        changes_picture = bool(draw.operation) and not OPERATIONS[draw.operation].touches_sound
        is_there = draw.has_video if changes_picture else draw.has_audio
        if draw.kind == UNTOUCHED or not is_there:
            return cut
        if draw.kind == SHIFTED:
            return dataclasses.replace(cut, label_sync=OUT_OF_SYNC)
        other = self._sound_of_donor(draw) if draw.donor >= 0 else None
        if draw.donor >= 0 and other is None:
            return cut
        if draw.kind == EXCHANGED and other is not None:
            return exchange_sound(cut, other)
        return forge_cut(cut, draw.operation, self.draws.config.pseudo_fake_traces, rng, other)

    def _sound_of_donor(self, draw: Draw) -> Float32[np.ndarray, " s"] | None:
        """As much of it as a window holds; None where the record is corrupt."""
        index, clip = self.draws.source[draw.donor]
        if index != draw.donor:  # what stands in for it may be any clip
            return None
        part = clip.audio[draw.donor_start : draw.donor_start + self.draws.spec.num_samples]
        return part / np.float32(32768)

    def _with_features(self, sample: Sample) -> ClipRow:
        """The clip's middle, unchanged, with what the towers made of it."""
        source, spec = self.draws.source, self.draws.spec
        window = centre_window(sample.clip, spec)
        row = clip_row(sample, spec, window, int(source.pairs[sample.index]))
        stored = self.features[source.sets[sample.index]][sample.clip.clip_id]
        return row | {"video_features": stored.video, "audio_features": stored.audio}


@dataclasses.dataclass(frozen=True)
class EvaluationRow:
    """The clip at a position; a blank row for padding and for what cannot be read or seen so.

    Attributes:
        source: the clips.
        spec: the row's shape.
        view: what is cut out of a record.
    """

    source: TFRecordSource
    spec: ClipSpec
    view: View = centred

    def __call__(self, position: int) -> ClipRow:
        if position >= len(self.source):
            return blank_row(self.spec, clip_index=-1)
        sample = self.source[position]
        cut = self.view(sample.clip, self.spec) if sample.index == position else None
        if cut is None:
            return blank_row(self.spec, clip_index=position)
        return row_of_cut(cut, self.spec, position, int(self.source.pairs[position]))
