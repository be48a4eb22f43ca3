"""What is announced before decoding is what the rows hold, and what the priors count."""

import collections
import dataclasses
import pickle

import numpy as np
import pytest

from data_pipelines.loading.draw import TrainingDraws, expected_labels, summarise
from data_pipelines.loading.outcomes import EXCHANGED, SHIFTED, UNTOUCHED, Outcomes
from data_pipelines.loading.rows import TrainingRow
from data_pipelines.loading.sampling import make_strata
from data_pipelines.loading.settings import NO_AUGMENTATION, AugmentConfig, ClipSpec
from data_pipelines.loading.source import TFRecordSource

SPEC = ClipSpec(seconds=1.6, frames=2, image_size=16)
NEGATIVES = AugmentConfig(sync_shift=0.25, sync_exchange=0.1, drop_video=0.05, drop_audio=0.05)
FORGING = dataclasses.replace(NEGATIVES, pseudo_fake=0.4)


@pytest.fixture(scope="module")
def source(drawn_set) -> TFRecordSource:
    return TFRecordSource(drawn_set, "train")


@pytest.fixture(scope="module", params=["one set", "mixture", "genuine only"])
def training(request, source, silent_set):
    """Source, strata and augmentation: as the smallest preset, and what else is combined."""
    if request.param == "one set":
        return source, make_strata(source), NEGATIVES
    if request.param == "genuine only":
        return source.genuine(), make_strata(source.genuine()), FORGING
    both = source + TFRecordSource(silent_set, "train")
    return both, make_strata(both, weights=(3.0, 1.0), balance="method"), FORGING


def rows(draws: TrainingDraws, start: int, count: int) -> list:
    return [draws[row] for row in range(start, start + count)]


@pytest.mark.parametrize("start", [0, 10**9 + 7])
def test_any_2000_rows_have_the_expected_labels(training, start):
    source, strata, config = training
    expected = expected_labels(source, strata, SPEC, config)
    draws = TrainingDraws(source, SPEC, config, seed=3, strata=strata)
    drawn = summarise(rows(draws, start, 2000))
    for name, shares in expected.items():
        assert sum(shares.values()) == pytest.approx(1)
        for value, share in shares.items():
            assert drawn.labels[name][value] == pytest.approx(share, abs=0.004), (name, value)


def test_any_2000_rows_have_every_kind_to_a_few_rows(training):
    source, strata, config = training
    draws = TrainingDraws(source, SPEC, config, seed=0, strata=strata)
    outcomes, expected = Outcomes(source, SPEC, config), collections.Counter()
    for stratum in strata:
        for number in outcomes.numbers[stratum.clips]:
            for outcome, p in outcomes.situations[number].odds(config).items():
                expected[outcome.kind] += 2000 * p * stratum.share / len(stratum.clips)
    drawn = summarise(rows(draws, 500, 2000)).kinds
    assert drawn.keys() == expected.keys()
    for kind, count in expected.items():
        assert drawn[kind] == pytest.approx(count, abs=8), kind


def test_rows_hold_what_was_drawn(training):
    source, strata, config = training
    draws = TrainingDraws(source, SPEC, config, seed=1, strata=strata)
    make, kinds = TrainingRow(draws), set()
    for draw in rows(draws, 0, 60):
        row = make(draw, np.random.default_rng(draw.row))
        keys = ("label_video", "label_audio", "label_sync", "label")
        assert tuple(row[key] for key in keys) == draw.labels, draw
        assert (row["has_video"], row["has_audio"]) == (draw.has_video, draw.has_audio)
        assert row["frame_mask"].any() == draw.has_video
        assert row["waveform_mask"].all() == row["waveform_mask"].any() == draw.has_audio
        assert (row["clip_index"], row["pair"]) == (draw.position, source.pairs[draw.position])
        kinds.add(draw.kind)
    assert {UNTOUCHED, SHIFTED, EXCHANGED} <= kinds


def test_nothing_is_read_for_a_draw(source, monkeypatch):
    monkeypatch.setattr(TFRecordSource, "_read", None)
    drawn = summarise(rows(TrainingDraws(source, SPEC, FORGING, seed=0), 0, 300))
    assert drawn.rows == sum(drawn.kinds.values()) == sum(drawn.drops.values()) == 300
    assert next(iter(drawn.kinds)) == UNTOUCHED
    assert {"mouth", "mel", "splice", SHIFTED, EXCHANGED} < drawn.kinds.keys()
    assert drawn.drops.keys() == {"", "video", "audio"}


def test_a_row_depends_on_seed_and_number_alone(training):
    source, strata, config = training
    draws = TrainingDraws(source, SPEC, config, seed=2, strata=strata)
    forward = rows(draws, 0, 40)
    copy = pickle.loads(pickle.dumps(draws))
    assert [copy[row] for row in reversed(range(40))] == forward[::-1]
    assert rows(TrainingDraws(source, SPEC, config, seed=4, strata=strata), 0, 40) != forward
    assert repr(copy) == repr(draws)


def test_a_whole_set_s_draws_cost_a_worker_bytes(source):
    draws = TrainingDraws(source, SPEC, FORGING, seed=0, strata=make_strata(source))
    _ = draws[0]  # what is worked out stays in the process
    assert len(pickle.dumps(draws)) < 2500


def test_without_augmentation_the_order_is_the_strata_s(source):
    """One stratum, however the clips' labels differ."""
    draws = TrainingDraws(source, SPEC, NO_AUGMENTATION, seed=0)
    assert repr(draws).endswith("TrainingOrder([(1.0, 32)]))")
    assert {draw.kind for draw in rows(draws, 0, 64)} == {UNTOUCHED}


def test_donors_cover_the_window_and_are_of_other_originals(write_source, make_clip):
    def silent_after(count: int) -> np.ndarray:
        return np.ones(count, np.int16)

    spec = ClipSpec(seconds=0.4, frames=2, image_size=16)
    clips = [make_clip(10, name=f"c{i}", audio=silent_after(6300 + 100 * i)) for i in range(6)]
    source = write_source(clips) + write_source([make_clip(50, name="far")] * 2, folder="other")
    config = AugmentConfig(sync_exchange=1.0)
    draws = TrainingDraws(source, spec, config, seed=0)
    for draw in rows(draws, 0, 400):
        if draw.position >= 6:  # of one original: nobody gives them sound
            assert (draw.kind, draw.donor) == (UNTOUCHED, -1)
            continue
        assert draw.kind == EXCHANGED
        assert draw.donor in {1, 2, 3, 4, 5} - {draw.position}
        assert 0 <= draw.donor_start <= 100 * draw.donor - 100
    donors = collections.Counter(d.donor for d in rows(draws, 0, 400) if d.position == 0)
    assert min(donors[i] for i in range(1, 6)) >= 4


def test_a_corrupt_clip_is_stood_in_for_untouched(write_source, make_clip, tmp_path):
    spec = ClipSpec(seconds=0.4, frames=2, image_size=16)
    write_source([make_clip(30, name=f"c{i}") for i in range(3)])
    (shard,) = tmp_path.glob("*.tfrecord-*")
    data = bytearray(shard.read_bytes())
    data[100] ^= 1  # in the first clip
    shard.unlink()
    shard.write_bytes(data)
    source = TFRecordSource(tmp_path, "train", on_corrupt="skip")
    draws = TrainingDraws(source, spec, AugmentConfig(sync_exchange=1.0), seed=0)
    make, seen = TrainingRow(draws), set()
    for draw in rows(draws, 0, 60):
        row = make(draw, np.random.default_rng(0))
        lost = draw.position == 0 or draw.donor == 0
        assert row["label_sync"] == (1 if lost else 0)
        assert row["clip_index"] == (draw.position or 1)
        seen.add((draw.position == 0, draw.donor == 0))
    assert seen == {(True, False), (False, True), (False, False)}
