"""The loader's timing runs on a real set and says what is faster."""

import pytest

from cad_jax.lab.input_timing import InputTiming, time_input


def test_the_ratio_is_the_median_of_the_rounds():
    timing = InputTiming((30.0, 90.0, 20.0), (10.0, 10.0, 10.0), "core")
    assert timing.ratio == 3.0
    assert timing.lines() == [
        "round 1: loader 30.0 clips/s a core, step 10.0 clips/s a core, ratio 3.0",
        "round 2: loader 90.0 clips/s a core, step 10.0 clips/s a core, ratio 9.0",
        "round 3: loader 20.0 clips/s a core, step 10.0 clips/s a core, ratio 2.0",
        "median: a core of the loader feeds 3.0 x a core",
    ]


@pytest.mark.slow
def test_a_loader_and_a_step_are_timed(small_experiment):
    timing = time_input(small_experiment(), steps=1, rounds=2)
    assert len(timing.made) == len(timing.used) == 2
    assert min(*timing.made, *timing.used) > 0
