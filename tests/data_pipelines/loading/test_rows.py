"""Sync negatives are made of genuine clips only, and say so."""

import dataclasses
import itertools

import numpy as np
import pytest

from data_pipelines.loading.draw import TrainingDraws
from data_pipelines.loading.rows import EvaluationRow, TrainingRow
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import AugmentConfig, ClipSpec
from data_pipelines.loading.transforms import clip_row
from data_pipelines.loading.views import SyncShift

SPEC = ClipSpec(seconds=0.4, frames=2, image_size=16)
SHIFT = AugmentConfig(sync_shift=1.0, sync_shift_seconds=(0.2, 0.3))
EXCHANGE = AugmentConfig(sync_exchange=1.0)


def rows_of(source, config, index: int, count: int = 20) -> list[dict]:
    """The first rows of one clip."""
    draws = TrainingDraws(source, SPEC, config, seed=0)
    mine = itertools.islice(
        (d for d in map(draws.__getitem__, range(2000)) if d.position == index), count
    )
    return [TrainingRow(draws)(draw, np.random.default_rng(draw.row)) for draw in mine]


def picture_start(row: dict) -> int:
    """The window's first bin: frame i of `make_clip` is grey 4 i, the first one shown is bin 2."""
    return round(row["frames"][0].mean() / 4) - 2


def sound_start(row: dict) -> int:
    """The window's first sample: sample n of `make_clip` is n."""
    return round(float(row["waveform"][0]) * 32768)


def test_without_augmentation_sound_and_picture_start_together(write_source, make_clip):
    source = write_source([make_clip(20, audio_offset_ms=10.0)])
    rows = rows_of(source, AugmentConfig(), 0)
    assert len({picture_start(row) for row in rows}) > 5
    for row in rows:
        if picture_start(row):
            assert sound_start(row) == picture_start(row) * 640 - 160
        assert row["label_sync"] == 1


def test_a_shift_is_as_long_as_configured_and_labelled(write_source, make_clip):
    source = write_source([make_clip(30)])
    for row in rows_of(source, SHIFT, 0):
        shift = sound_start(row) / 16000 - picture_start(row) / 25
        assert 0.2 - 1e-4 <= abs(shift) <= 0.3 + 1e-4
        assert (row["label_sync"], row["label"]) == (0, 1)
        assert (row["label_video"], row["label_audio"]) == (0, 0)


def test_an_exchange_takes_the_sound_of_another_original(write_source, make_clip):
    clips = [
        make_clip(10, name="taker", audio=np.full(6400, 1, np.int16)),
        make_clip(10, name="twin", pair_id="pair of taker", audio=np.full(6400, 2, np.int16)),
        make_clip(10, name="forged", label_audio=1, audio=np.full(6400, 3, np.int16)),
        make_clip(10, name="other", audio=np.full(6400, 4, np.int16)),
        make_clip(10, name="loner", pair_id="", audio=np.full(6400, 5, np.int16)),
    ]
    source = write_source(clips)

    def donors(index: int) -> set[int]:
        return {sound_start(row) for row in rows_of(source, EXCHANGE, index, count=40)}

    assert donors(2) == {3}  # forged already

    assert donors(0) == {4, 5}
    assert donors(4) == {1, 2, 4}
    assert all(row["label_sync"] == 0 for row in rows_of(source, EXCHANGE, 0))


def test_a_donor_is_of_the_same_set(write_source, make_clip):
    sounds = [np.full(6400, level, np.int16) for level in (1, 2, 3)]
    clips = [make_clip(10, name=f"c{i}", audio=sound) for i, sound in enumerate(sounds)]
    source = write_source(clips[:2]) + write_source(clips[2:], folder="other")
    assert {sound_start(row) for row in rows_of(source, EXCHANGE, 0)} == {2}
    assert all(row["label_sync"] == 1 for row in rows_of(source, EXCHANGE, 2))


def test_a_clip_without_a_donor_stays_as_it_is(write_source, make_clip):
    source = write_source([make_clip(10), make_clip(10, name="forged", label_video=1)])
    assert all(row["label_sync"] == 1 for row in rows_of(source, EXCHANGE, 0))


@pytest.mark.parametrize("config", [SHIFT, EXCHANGE])
@pytest.mark.parametrize(
    "change", [{"label_video": 1}, {"label_audio": 1}, {"label_sync": -1}, {"label_sync": 0}]
)
def test_only_genuine_clips_become_sync_negatives(write_source, make_clip, config, change):
    source = write_source([make_clip(30, **change), make_clip(30, name="donor")])
    for row in rows_of(source, config, 0):
        assert row["label_sync"] == change.get("label_sync", 1)
        if picture_start(row):
            assert sound_start(row) == picture_start(row) * 640


def test_clips_lacking_a_modality_pass_untouched(
    write_source, make_clip, without_sound, without_picture
):
    clips = [without_sound(make_clip(30)), without_picture(make_clip(30)), make_clip(30, name="d")]
    source = write_source(clips)
    config = dataclasses.replace(EXCHANGE, drop_video=0.5, drop_audio=0.5)
    for index, present in ((0, (True, False)), (1, (False, True))):
        for row in rows_of(source, config, index):
            assert (row["has_video"], row["has_audio"]) == present


def test_an_exchanged_sound_fills_what_the_clip_s_own_filled(write_source, make_clip):
    """Neither more, from a donor that has sound where the clip has none, nor less."""
    own = make_clip(20, audio=np.full(6000, 1, np.int16), audio_offset_ms=300.0)
    full = make_clip(20, name="full", audio=np.full(12800, 2, np.int16))
    short = make_clip(20, name="short", audio=np.full(6399, 3, np.int16))
    late = make_clip(20, name="late", audio=np.full(6400, 4, np.int16), audio_offset_ms=400.0)
    source = write_source([own, full, short, late])
    exchanged, untouched = (rows_of(source, c, 0, 40) for c in (EXCHANGE, AugmentConfig()))
    assert {round(32768 * float(row["waveform"].max())) for row in exchanged} == {2, 4}
    starts = {picture_start(row): row for row in untouched}
    for row in exchanged:
        mine = starts[picture_start(row)]
        assert mine["waveform_mask"].any()
        np.testing.assert_array_equal(row["waveform_mask"], mine["waveform_mask"])
        np.testing.assert_array_equal(row["waveform"] != 0, mine["waveform"] != 0)


def test_the_place_in_the_donor_s_sound_is_drawn(write_source, make_clip):
    source = write_source([make_clip(10), make_clip(50, name="donor")])
    starts = {sound_start(row) for row in rows_of(source, EXCHANGE, 0, count=40)}
    assert len(starts) > 30
    assert min(starts) < 3000
    assert max(starts) > 22000


def test_dropping_a_modality_leaves_the_row_of_a_clip_without_it(
    write_source, make_clip, without_sound, without_picture
):
    clip = make_clip(20, label_video=1, label_sync=0)
    for name, without in (("drop_audio", without_sound), ("drop_video", without_picture)):
        draws = TrainingDraws(write_source([clip]), SPEC, AugmentConfig(**{name: 1.0}), seed=0)
        row = TrainingRow(draws)(draws[0], np.random.default_rng(0))
        expected = clip_row(Sample(0, without(clip)), SPEC, draws[0].window, 0)
        assert row.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(row[key], value, err_msg=key)


def test_a_window_holds_some_of_what_the_clip_has(write_source, make_clip):
    late = make_clip(50, audio=np.ones(8000, np.int16), audio_offset_ms=1500.0)
    rows = rows_of(write_source([late]), AugmentConfig(), 0, count=40)
    assert all(row["has_audio"] and row["label_audio"] == 0 for row in rows)


def test_evaluation_takes_the_middle(write_source, make_clip):
    source = write_source([make_clip(20)])
    row = EvaluationRow(source, SPEC)(0)
    assert (picture_start(row), sound_start(row)) == (5, 5 * 640)
    assert row["valid"]


def test_a_shifted_evaluation_row_is_a_function_of_seed_and_name(write_source, make_clip):
    names = ("a", "b", "c", "d")
    source = write_source([make_clip(30, name=name) for name in names])
    shift = SyncShift(seed=3, seconds=(0.2, 0.3))
    rows = [EvaluationRow(source, SPEC, shift)(place) for place in range(4)]
    shifts = [sound_start(row) / 16000 - picture_start(row) / 25 for row in rows]
    assert all(0.2 - 1e-4 <= abs(found) <= 0.3 + 1e-4 for found in shifts)
    assert len(set(shifts)) == 4
    assert [row["label_sync"] for row in rows] == [0] * 4
    assert [row["clip_index"] for row in rows] == list(range(4))

    back = [EvaluationRow(source.subset([3, 2, 1, 0]), SPEC, shift)(place) for place in range(4)]
    for row, again in zip(rows, back[::-1], strict=True):
        np.testing.assert_array_equal(row["waveform"], again["waveform"])
        np.testing.assert_array_equal(row["frames"], again["frames"])
    other = EvaluationRow(source, SPEC, SyncShift(seed=4, seconds=(0.2, 0.3)))(0)
    assert sound_start(other) != sound_start(rows[0])


def test_a_clip_without_room_for_a_shift_is_not_valid(write_source, make_clip):
    source = write_source([make_clip(12)])
    row = EvaluationRow(source, SPEC, SyncShift(seed=0, seconds=(0.2, 0.3)))(0)
    assert (bool(row["valid"]), int(row["clip_index"])) == (False, 0)
