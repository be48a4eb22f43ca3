"""One timestamp that cannot be true moves its own frame, never the rest."""

import numpy as np
import pytest

from data_pipelines.media.stamps import Clock


def timed(stamps, period=0.04):
    clock = Clock(period)
    return list(clock.timed((stamp, n) for n, stamp in enumerate(stamps))), clock.mended


def regular(count, start=0.0, period=0.04):
    return [start + n * period for n in range(count)]


@pytest.mark.parametrize("start", [-0.1, 0.0, 36_000.0])
def test_true_timestamps_stay_as_they_are(start):
    stamps = (start + np.cumsum(np.random.default_rng(0).uniform(0.001, 2.0, 200))).tolist()
    shown, mended = timed(stamps)
    assert [time for time, _ in shown] == stamps
    assert mended == 0


@pytest.mark.parametrize("kind", ["missing", "repeated", "zero", "back", "ahead", "far", "next"])
@pytest.mark.parametrize("wrong", [0, 1, 2, 50, 97, 98, 99])
def test_one_wrong_timestamp_moves_one_frame(wrong, kind):
    true = regular(100, start=1.0)
    value = {
        "missing": None,
        "repeated": true[max(wrong - 1, 0)],
        "zero": 0.0,
        "back": true[wrong] - 0.5,
        "ahead": true[wrong] + 0.5,
        "far": 1e6,
        "next": true[min(wrong + 1, 99)],
    }[kind]
    last_ahead = wrong == 99 and kind in ("ahead", "far")
    first_early = wrong == 0 and kind in ("zero", "back", "next")
    if last_ahead or first_early:
        pytest.skip("nothing tells it from a long first or last frame, or from its neighbour")
    stamps = [*true[:wrong], value, *true[wrong + 1 :]]
    shown, mended = timed(stamps)
    assert [frame for _, frame in shown] == list(range(100))
    times = np.array([time for time, _ in shown])
    assert (np.diff(times) > 0).all()
    moved = np.flatnonzero(np.abs(times - true) > 1e-9)
    assert len(moved) <= 1
    assert np.abs(times - true).max() < 0.041
    assert mended <= 1


def test_missing_timestamps_follow_the_rate():
    shown, mended = timed([None] * 50)
    np.testing.assert_allclose([time for time, _ in shown], regular(50))
    assert mended == 50
    shown, _ = timed([*regular(20), *[None] * 7, *regular(20, start=27 * 0.04)])
    np.testing.assert_allclose([time for time, _ in shown], regular(47), atol=1e-9)


def test_a_repeat_where_the_rate_changes_keeps_the_new_rate():
    true = [*regular(50), *regular(50, start=2.0, period=0.08)]
    stamps = [*true[:60], true[59], *true[61:]]
    shown, mended = timed(stamps)
    np.testing.assert_allclose([time for time, _ in shown], true, atol=1e-9)
    assert mended == 1


def test_a_clock_that_starts_anew_goes_on_after_the_last_frame():
    shown, mended = timed([*regular(50, start=10.0), *regular(50, start=1.4)])
    np.testing.assert_allclose([time for time, _ in shown], regular(100, start=10.0), atol=1e-9)
    assert mended == 0


def test_a_piece_that_repeats_what_was_shown_is_left_out_up_to_there():
    shown, mended = timed([*regular(50), *regular(50, start=40 * 0.04)])
    times = {frame: time for time, frame in shown}
    np.testing.assert_allclose([times[n] for n in range(50)], regular(50))
    np.testing.assert_allclose([times[n] for n in range(60, 100)], regular(40, start=2.0))
    assert not {50, 51, 52, 53, 54} & set(times)
    assert mended == 10


def test_nothing_comes_of_nothing():
    assert timed([]) == ([], 0)
    assert timed([None])[0] == [(0.0, 0)]
