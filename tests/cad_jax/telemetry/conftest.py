"""A clock that only the test moves."""

import pytest

from cad_jax.telemetry import phases


@pytest.fixture
def clock_time(monkeypatch):
    class Time:
        now = 100.0

        def perf_counter(self):
            return self.now

    fake = Time()
    monkeypatch.setattr(phases, "time", fake)
    return fake
