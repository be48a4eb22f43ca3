"""The first signal is a request, its echo nothing, a later one what it was before."""

import os
import signal
import threading

import pytest

from cad_jax.parallel import stop_signals
from cad_jax.parallel.stop_signals import STOP_SIGNALS, StopSignals


@pytest.fixture
def before():
    """What was done with a signal before: noted."""
    seen = []
    handlers = {n: signal.signal(n, lambda number, _: seen.append(number)) for n in STOP_SIGNALS}
    yield seen
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_first_calls_and_its_echo_is_ignored(before):
    asked = []
    with StopSignals(asked.append):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert asked == ["SIGINT"]
    assert before == []
    os.kill(os.getpid(), signal.SIGTERM)
    assert before == [signal.SIGTERM]


def test_a_later_one_is_for_who_was_there_before(before, monkeypatch):
    monkeypatch.setattr(stop_signals, "_REPEAT_S", -1.0)
    asked = []
    with StopSignals(asked.append):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert before == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGINT)
    assert asked == ["SIGTERM"]
    assert before == [signal.SIGTERM, signal.SIGINT]


def test_outside_the_main_thread_nothing_is_changed():
    handlers = [signal.getsignal(number) for number in STOP_SIGNALS]
    seen = []

    def use():
        with StopSignals(seen.append):
            seen.extend(signal.getsignal(number) for number in STOP_SIGNALS)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == handlers
