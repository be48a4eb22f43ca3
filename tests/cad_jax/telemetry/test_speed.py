"""The clock's figures on a made-up timeline."""

import pytest

from cad_jax.telemetry import speed


@pytest.fixture
def clock_time(monkeypatch):
    class Time:
        now = 100.0

        def perf_counter(self):
            return self.now

    fake = Time()
    monkeypatch.setattr(speed, "time", fake)
    return fake


def test_rates_of_an_interval(clock_time):
    clock = speed.StepClock(clips_per_step=8, flops_per_step=50.0, peak_flops=100.0)
    clock_time.now += 10.0  # compilation
    clock.restart()

    def slow_batches():
        for _ in range(4):
            clock_time.now += 0.5
            yield None

    for _ in clock.input(slow_batches()):
        clock_time.now += 2.0
        clock.tick()
    report = clock.report()
    assert report["clips_per_second"] == pytest.approx(32 / 10)
    assert report["input_wait"] == pytest.approx(0.2)
    assert report["goodput"] == pytest.approx(0.5)
    assert report["mfu"] == pytest.approx(4 * 50 / 10 / 100)


def test_mfu_needs_a_known_device():
    assert speed.peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert speed.peak_flops("cpu") is None
    assert "mfu" not in speed.StepClock(8, 50.0, None).report()
