"""A watched process ends when it is asked to, whatever it is doing; who are many: `test_hosts`."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cad_jax.parallel.stop_signals import STOP_SIGNALS, STOPPED, STOPPED_LINE
from cad_jax.parallel.watch import Stopped, Watch

BUSY = """
import hashlib
from cad_jax.parallel import watch
watch.GRACE_S, watch._LEADER_MORE_S = 2.0, 0.0
with watch.Watch():
    if {hold}: watch.hold()
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", {rounds})
    print("done", flush=True)
"""


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_raises_and_the_handlers_come_back(number):
    before = [signal.getsignal(n) for n in STOP_SIGNALS]

    def run():
        with Watch():
            os.kill(os.getpid(), number)
            time.sleep(10)

    with pytest.raises(Stopped, match=signal.Signals(number).name):
        run()
    assert [signal.getsignal(n) for n in STOP_SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def busy(rounds, *, hold):
    code = BUSY.format(rounds=rounds, hold=hold)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)  # so that the signal comes when it hashes
    process.send_signal(signal.SIGTERM)
    return process


@pytest.mark.slow
def test_foreign_code_that_looks_at_no_signal_is_ended_in_time():
    process = busy(10**9, hold=False)
    began = time.monotonic()
    said = process.communicate(timeout=30)
    assert process.returncode == STOPPED
    assert said == ("", f"error: {STOPPED_LINE}\n")
    assert 1 < time.monotonic() - began < 15


@pytest.mark.slow
def test_who_saves_has_all_the_time():
    process = busy(30_000_000, hold=True)
    began = time.monotonic()
    _, said = process.communicate(timeout=300)
    assert time.monotonic() - began > 3
    assert "Stopped: SIGTERM" in said
    assert STOPPED_LINE not in said
