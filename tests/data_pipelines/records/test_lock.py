"""One holder at a time, who is named; `kill -9` leaves no lock behind."""

import os
import subprocess
import sys
import textwrap

import pytest

from data_pipelines.records.lock import HeldError, held

HOLDER = textwrap.dedent(
    """
    import sys, time
    from data_pipelines.records.lock import held
    with held(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
    """
)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_holder_is_named_until_it_is_gone(tmp_path, holder):
    with (
        pytest.raises(HeldError, match=rf"^runs/x is trained by process {holder.pid} on \S+ since"),
        held(tmp_path / "lock", "runs/x is trained"),
    ):
        pass
    holder.kill()
    holder.wait()
    with held(tmp_path / "lock", "runs/x is trained"):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on")


def test_it_ends_with_the_block(tmp_path):
    for _ in range(2):
        with held(tmp_path / "lock", "work is done"):
            pass
    assert len((tmp_path / "lock").read_text().splitlines()) == 1
