"""The step's timing runs, and counts what a step computes."""

import dataclasses

import pytest

from cad_jax.lab.step_timing import time_step, with_features
from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import make_model
from cad_jax.training.learner import Learner, model_flops

pytestmark = pytest.mark.slow


def flops(config):
    return model_flops(Learner(config, make_mesh(), make_model(config)))


def test_times_a_step_and_counts_what_it_computes(small_experiment):
    config = small_experiment()
    timing = time_step(config, steps=1)
    assert timing.clips_per_second == pytest.approx(8 / timing.seconds)
    assert timing.model_flops == flops(config) / 8
    assert "8 x cpu" in timing.line()


def test_stored_features_save_the_towers_and_recomputation_is_no_use(small_experiment):
    frozen = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}
    config = small_experiment(optimizer=frozen)
    recomputed = dataclasses.replace(config, model=dataclasses.replace(config.model, remat="all"))
    assert flops(with_features(config)) < flops(config) == flops(recomputed)
