"""A stop request is noticed once, and the old handlers come back."""

import os
import signal
import threading

import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.training.preemption import LAG, AgreedStop, StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_sets_the_flag(number):
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal_name == signal.Signals(number).name


def test_outside_the_main_thread_it_does_nothing():
    seen = []

    def use():
        with StopRequest() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [False]


def test_alone_a_host_agrees_with_itself_at_once():
    agreed = AgreedStop(make_mesh())
    assert [agreed(False), agreed(True)] == [False, True]


def test_with_others_the_answer_comes_steps_later_or_with_the_last_step(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    asked = [False, True, False, False, False]
    agreed = AgreedStop(make_mesh())
    assert [agreed(wanted) for wanted in asked] == [False] * (1 + LAG) + [True, False]
    agreed = AgreedStop(make_mesh())
    assert [agreed(False), agreed(True), agreed(False, last=True)] == [False, False, True]
