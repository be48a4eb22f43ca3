import functools
import operator
import os
import time

import pytest

from data_pipelines.preparation.workers import Failure, run_isolated, stream_isolated

# The functions come from the standard library: a spawned process must be able to import them.


def test_every_task_is_done_once():
    results = dict(run_isolated(operator.neg, [1, 2, 3, 4, 5], workers=2, timeout_s=60.0))
    assert results == {0: -1, 1: -2, 2: -3, 3: -4, 4: -5}


def test_nothing_to_do():
    assert list(run_isolated(operator.neg, [], workers=2, timeout_s=60.0)) == []


def test_a_dying_process_loses_its_own_task_only():
    call = operator.methodcaller("__call__")
    tasks = [os.getpid, os.abort, os.getpid, os.getpid]
    results = dict(run_isolated(call, tasks, workers=1, timeout_s=60.0))
    assert results[1] == Failure("crashed", "its process was ended by SIGABRT")
    assert {type(results[index]) for index in (0, 2, 3)} == {int}
    assert results[2] == results[3] != results[0]  # a new process took over


def test_an_exit_is_a_crash_too():
    (result,) = run_isolated(os._exit, [3], workers=1, timeout_s=60.0)
    assert result == (0, Failure("crashed", "its process exited with code 3"))


def test_a_hanging_task_is_stopped_and_the_rest_goes_on():
    started = time.monotonic()
    results = dict(run_isolated(time.sleep, [120, 0.0, 0.0], workers=1, timeout_s=3.0))
    assert results == {0: Failure("timeout", "stopped after 3 s"), 1: None, 2: None}
    assert time.monotonic() - started < 60


def test_an_exception_is_raised_here_and_ends_the_others():
    with pytest.raises(ZeroDivisionError):
        list(run_isolated((1).__truediv__, [1, 0, 1], workers=1, timeout_s=60.0))


def test_results_of_each_task_stream_in_its_turn():
    found = [list(results) for results in stream_isolated(iter, ["ab", "", "cd"], 60.0)]
    assert found == [["a", "b"], [], ["c", "d"]]


def test_a_stream_goes_on_after_one_that_fails_and_one_that_is_left_unread():
    tasks = [range(3), "abc", "de"]
    call = operator.methodcaller("__iter__")
    streams = stream_isolated(call, tasks, 60.0)
    assert next(next(streams)) == 0  # 1 and 2 stay unread
    assert next(next(streams)) == "a"
    assert list(next(streams)) == ["d", "e"]
    sleeping = stream_isolated(functools.partial(map, time.sleep), [[120], [0.0]], 3.0)
    found = [list(results) for results in sleeping]
    assert found == [[Failure("timeout", "stopped after 3 s")], [None]]
