"""A stop request is noticed once, and the old handlers come back."""

import os
import signal
import threading

import pytest

from cad_jax.training.preemption import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_sets_the_flag_and_restores_the_handlers(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal_name == signal.Signals(number).name
        assert signal.getsignal(number) == before  # a second signal ends the process
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_it_does_nothing():
    seen = []

    def use():
        with StopRequest() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [False]
