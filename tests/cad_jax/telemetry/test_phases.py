"""Seconds of every phase on a made-up timeline, over starts that end well and that do not."""

import json

import pytest

from cad_jax.telemetry.phases import PhaseClock, PhaseSeconds


@pytest.fixture
def path(tmp_path):
    return tmp_path / "goodput.json"


def train(clock, time, saves=None):
    """Starts for 5 s, compiles for 3; four steps of 2 s after 1 s of input; saves after 'saves'."""
    time.now += 5
    with clock.during("compile"):
        time.now += 3
    clock.enter("step")
    for step in range(1, 5):
        with clock.during("input"):
            time.now += 1
        time.now += 2
        if step == saves:
            with clock.during("checkpoint"):
                time.now += 0.5
            clock.saved(step)
    clock.keep()


def test_every_second_belongs_to_one_phase(clock_time, path):
    clock = PhaseClock(path, 0, since=90.0)
    train(clock, clock_time)
    with clock.during("evaluation"):
        clock_time.now += 4
    spent = clock.read()
    assert spent == PhaseSeconds(start=15.0, compile=3.0, input=4.0, step=8.0, evaluation=4.0)
    assert spent.total == clock_time.now - 90
    assert spent.goodput == pytest.approx(8 / 34)
    assert spent.line().startswith("0.6 min: start 44%, step 24%, input 12%")


def test_a_start_that_was_killed_loses_what_was_done_after_its_checkpoint(clock_time, path):
    train(PhaseClock(path, 0, since=clock_time.now), clock_time, saves=3)
    clock_time.now += 1000  # killed, and nothing runs
    clock = PhaseClock(path, 3, since=clock_time.now)
    assert clock.read() == PhaseSeconds(5.0, 3.0, 3.0, 6.0, 0.5, 0.0, 3.0)
    train(clock, clock_time)
    assert clock.read() == PhaseSeconds(10.0, 6.0, 7.0, 14.0, 0.5, 0.0, 3.0)


def test_a_damaged_newest_checkpoint_loses_more(clock_time, path):
    clock = PhaseClock(path, 0, since=clock_time.now)
    train(clock, clock_time, saves=1)
    clock.saved(4)
    assert PhaseClock(path, 4, clock_time.now).read().lost == 0
    assert PhaseClock(path, 1, clock_time.now).read().lost == 9
    assert PhaseClock(path, 0, clock_time.now).read().lost == 12


def test_a_second_kill_does_not_lose_the_same_again(clock_time, path):
    train(PhaseClock(path, 0, since=clock_time.now), clock_time, saves=3)
    PhaseClock(path, 3, since=clock_time.now).keep()
    assert PhaseClock(path, 3, since=clock_time.now).read().lost == 3


@pytest.mark.parametrize("text", ["", "[]", '{"seconds": {"sleep": 1}, "at_checkpoint": {}}'])
def test_a_file_of_something_else_is_named_and_counted_as_none(clock_time, path, caplog, text):
    path.write_text(text)
    assert PhaseClock(path, 3, since=clock_time.now).read() == PhaseSeconds()
    assert str(path) in caplog.text


def test_other_hosts_keep_nothing(clock_time, path):
    clock = PhaseClock(None, 0, since=clock_time.now)
    train(clock, clock_time, saves=2)
    assert clock.read().step == 8
    assert not path.exists()


def test_the_file_holds_each_phase_by_name(clock_time, path):
    train(PhaseClock(path, 0, since=clock_time.now), clock_time, saves=4)
    kept = json.loads(path.read_text())
    phases = ["start", "compile", "input", "step", "checkpoint", "evaluation", "lost"]
    assert list(kept["seconds"]) == list(kept["at_checkpoint"]["4"]) == phases
