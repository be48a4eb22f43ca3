"""The step's timing runs, and counts what a step computes."""

import dataclasses

import pytest

from cad_jax.lab.step_timing import time_step, with_features

pytestmark = pytest.mark.slow


def test_times_a_step_and_counts_what_it_computes(small_experiment):
    frozen = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}
    config = small_experiment(optimizer=frozen)
    live = time_step(config, steps=1)
    assert live.clips_per_second == pytest.approx(8 / live.seconds)
    assert "8 x cpu" in live.line()
    assert time_step(with_features(config), steps=1).model_flops < live.model_flops
    # recomputation is no use
    remat = dataclasses.replace(config, model=dataclasses.replace(config.model, remat="all"))
    assert time_step(remat, steps=1).model_flops == live.model_flops
