"""The clock's figures on a made-up timeline; what hosts, devices and peaks make of them."""

from unittest import mock

import jax
import jax.numpy as jnp
import pytest

from cad_jax.telemetry import speed
from cad_jax.telemetry.phases import PhaseClock


def test_rates_of_an_interval(clock_time, monkeypatch):
    waited = []
    monkeypatch.setattr(jax, "block_until_ready", lambda result: waited.append(int(result)))
    phases = PhaseClock(None, 0, since=clock_time.now)
    clock_time.now += 10.0  # start
    phases.enter("step")
    clock = speed.StepClock(phases, 8, 50.0, devices=2, device_kind="TPU v4")

    def slow_batches():
        for _ in range(4):
            clock_time.now += 0.5
            yield None

    for number, _ in enumerate(clock.input(slow_batches())):
        clock_time.now += 2.0
        clock.tick(jnp.asarray(number))
        with phases.during("evaluation"):
            clock_time.now += 5.0
    report = clock.report()
    assert waited == [0, 1]  # never the last two, which keep the device busy
    assert report["clips_per_second"] == pytest.approx(32 / 10)
    assert report["input_wait"] == pytest.approx(0.2)
    assert report["goodput"] == pytest.approx(8 / 40)
    assert report["mfu"] == pytest.approx(4 * 50 / 10 / (2 * 275e12))
    assert report["input_seconds"] == 2.0
    assert report["evaluation_seconds"] == 20.0
    clock_time.now += 1.0
    again = clock.report()
    assert again["clips_per_second"] == again["mfu"] == 0.0
    assert again["step_seconds"] == 9.0  # these go on counting


def test_mfu_needs_a_known_device_and_known_flops():
    use = speed.model_flops_use
    assert use(989e12, 2.0, 1, "NVIDIA H100 80GB HBM3") == 0.5
    assert use(459e12, 1.0, 4, "TPU v5") == 0.25  # v5p, by the name that it has
    assert use(197e12, 1.0, 1, "TPU v5 lite") == 1.0
    assert use(1.0, 1.0, 1, "cpu") is None
    assert use(float("nan"), 1.0, 1, "TPU v4") is None


def test_memory_is_the_fullest_devices_and_left_out_where_unknown():
    def device(stats):
        return mock.Mock(spec=jax.Device, memory_stats=lambda: stats)

    devices = [device({"peak_bytes_in_use": peak}) for peak in (2e9, 3e9)]
    assert speed.memory_peak([*devices, device(None)]) == {"memory_gb": 3.0}
    assert speed.memory_peak(jax.devices("cpu")) == {}


def test_hosts_are_compared_where_there_are_several():
    one = {"input_wait": 0.3}
    assert speed.compare_hosts([one]) == {}
    assert speed.compare_hosts([{"memory_gb": 1.0, **one}]) == {"memory_gb": 1.0}
    hosts = [{"input_wait": wait, "memory_gb": wait} for wait in (0.1, 0.5, 0.2)]
    compared = speed.compare_hosts(hosts)
    assert compared == {"memory_gb": 0.5, "slowest_host": pytest.approx(0.3)}


def test_the_line_leaves_out_what_is_not_known():
    figures = {"clips_per_second": 30.25, "input_wait": 0.041, "goodput": 0.8}
    assert speed.speed_line(figures) == "30.2 clips/s, 4% waiting for input, goodput 80%"
    more = figures | {"mfu": 0.45, "memory_gb": 61.2, "slowest_host": 0.1}
    assert speed.speed_line(more).endswith("goodput 80%, MFU 45.0%, 61.2 GB, slowest host +10%")
