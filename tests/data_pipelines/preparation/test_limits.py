"""What a process may not take, it does not get, and its end is named."""

import operator
import socket
import sys

import pytest

from data_pipelines.preparation.limits import ProcessLimits
from data_pipelines.preparation.workers import Failure, run_isolated

# The functions come from the standard library: a spawned process must be able to import them.


def test_memory_ends_where_the_limit_is():
    limits = ProcessLimits(memory_bytes=2**28)
    with pytest.raises(MemoryError):
        list(run_isolated(bytes, [2**24, 2**29], 1, 60.0, limits))


def test_processor_time_is_each_tasks_own():
    tasks = [range(10**6), range(10**12), range(4)]
    results = dict(run_isolated(sum, tasks, 1, 60.0, ProcessLimits(cpu_s=1)))
    said = "used up the processor time that a task may take"
    assert results == {0: 499999500000, 1: Failure("timeout", said), 2: 6}


def test_files_are_neither_many_nor_written(tmp_path):
    call = operator.methodcaller("write_bytes", b"x")
    with pytest.raises(OSError, match="File too large"):
        list(run_isolated(call, [tmp_path / "new"], 1, 60.0, ProcessLimits()))


@pytest.mark.skipif(sys.platform != "linux", reason="the network is cut off on Linux")
def test_there_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with pytest.raises(OSError, match="Network is unreachable"):
            list(run_isolated(socket.create_connection, [address], 1, 60.0, ProcessLimits()))
