"""The drawn set has the properties that the rest of the suite leans on."""

import collections

import numpy as np
import pytest
import simplejpeg

from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.clip import SAMPLE_RATE, ClipRecord
from data_pipelines.records.schema import encode_clip
from data_pipelines.synthetic.drawn import KINDS, NUM_IDENTITIES, drawn_clips

LABELS = {  # video, audio, sync, any
    "genuine": (0, 0, 1, 0),
    "out_of_sync": (0, 0, 0, 1),
    "forged_picture": (1, 0, 1, 1),
    "forged_sound": (0, 1, 1, 1),
}


@pytest.fixture(scope="module")
def clips() -> list[ClipRecord]:
    return list(drawn_clips(48, seed=0, seconds=1.0, size=48))


def sync_correlation(clip: ClipRecord) -> float:
    """Correlation of the mouth's height with the sound's loudness."""
    heights = clip.mouth_boxes[:, 3] - clip.mouth_boxes[:, 1]
    power = np.square(clip.audio.astype(float)).reshape(len(heights), -1).mean(axis=1)
    return float(np.corrcoef(heights, np.sqrt(power))[0, 1])


def test_a_clip_is_a_function_of_seed_and_number(clips):
    again = list(drawn_clips(5, seed=0, seconds=1.0, size=48))
    assert [encode_clip(clip) for clip in again] == [encode_clip(clip) for clip in clips[:5]]
    other = next(drawn_clips(1, seed=1, seconds=1.0, size=48))
    assert encode_clip(other) != encode_clip(clips[0])


def test_every_kind_has_its_labels(clips):
    for number, clip in enumerate(clips):
        kind = KINDS[number % len(KINDS)]
        assert kind in clip.clip_id
        labels = (clip.label_video, clip.label_audio, clip.label_sync, clip.label)
        assert labels == LABELS[kind]


def test_heads_and_originals_stay_on_one_side(clips):
    splits_of = collections.defaultdict(set)
    for clip in clips:
        splits_of[clip.source_ids].add(clip.split)
        splits_of[clip.pair_id].add(clip.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert len({clip.source_ids for clip in clips}) == NUM_IDENTITIES
    assert collections.Counter(clip.split for clip in clips) == {"train": 32, "val": 8, "test": 8}


def test_lips_follow_the_sound_unless_it_is_of_another_time(clips):
    correlations = collections.defaultdict(list)
    for number, clip in enumerate(clips):
        correlations[KINDS[number % len(KINDS)]].append(sync_correlation(clip))
    assert min(correlations["genuine"]) > 0.95
    assert min(correlations["forged_picture"]) > 0.95
    assert np.mean(correlations["out_of_sync"]) < 0.5


def test_a_forgery_differs_from_its_original_where_it_should(clips):
    genuine, out_of_sync, picture, sound = clips[:4]
    assert genuine.frames == out_of_sync.frames == sound.frames
    assert not np.array_equal(genuine.audio, out_of_sync.audio)
    assert not np.array_equal(genuine.audio, sound.audio)
    np.testing.assert_array_equal(genuine.audio, picture.audio)
    before, after = (simplejpeg.decode_jpeg(clip.frames[0], "RGB") for clip in (genuine, picture))
    changed = np.abs(before.astype(int) - after).max(axis=2) > 30
    assert changed.any()
    assert not changed[:24].any()


def test_shapes(clips):
    clip = clips[0]
    assert len(clip.frames) == 25
    assert clip.audio.shape == (SAMPLE_RATE,)
    assert 1000 < np.abs(clip.audio.astype(int)).max() < 32767
    assert simplejpeg.decode_jpeg_header(clip.frames[0])[:2] == (48, 48)
    assert (clip.mouth_boxes[:, 2:] > clip.mouth_boxes[:, :2]).all()


def test_the_written_set_holds_the_clips_in_order(drawn_set):
    train = TFRecordSource(drawn_set, "train")
    assert [len(TFRecordSource(drawn_set, split)) for split in ("train", "val", "test")] == [
        32,
        8,
        8,
    ]
    for number, clip in enumerate(drawn_clips(5, seed=0)):
        assert encode_clip(train[number].clip) == encode_clip(clip)
