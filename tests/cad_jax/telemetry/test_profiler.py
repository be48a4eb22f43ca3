"""The window traces its steps, and what there was of them where a loop ends early."""

import jax
import jax.numpy as jnp
import pytest

from cad_jax.telemetry.profiler import ProfileWindow


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: made.append(f"start {folder}"))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: made.append("stop"))
    return made


def run(window, steps, calls):
    with window:
        for step in range(1, steps + 1):
            window.before(step)
            calls.append(step)
            window.after(step, jnp.ones(1))


def test_the_steps_of_the_window_are_traced(tmp_path, calls):
    run(ProfileWindow(tmp_path, 2, 3), 6, calls)
    assert calls == [1, f"start {tmp_path}", 2, 3, 4, "stop", 5, 6]


def test_a_loop_that_ends_within_the_window_leaves_its_trace(tmp_path, calls):
    run(ProfileWindow(tmp_path, 2, 3), 3, calls)
    assert calls == [1, f"start {tmp_path}", 2, 3, "stop"]


def test_without_a_first_step_nothing_is_traced(tmp_path, calls):
    run(ProfileWindow(tmp_path, 0, 5), 6, calls)
    assert calls == [1, 2, 3, 4, 5, 6]
