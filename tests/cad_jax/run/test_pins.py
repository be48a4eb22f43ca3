"""What a run depends on is pinned by content; whatever has changed is one line that names both."""

import dataclasses
import json
import re
import shutil

import jax
import numpy as np
import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.checkpoint import CheckpointError, Checkpoints, Progress, TrainState
from cad_jax.run.code import code_hash
from cad_jax.run.pins import pin_code
from cad_jax.run.placement import load_run, make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError
from cad_jax.training.learner import Learner
from cad_jax.training.loop import train
from data_pipelines.synthetic.drawn import write_drawn_set

pytestmark = pytest.mark.slow

FROZEN = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}


def with_computed(config: Experiment, **computed) -> Experiment:
    return dataclasses.replace(config, computed=dataclasses.replace(config.computed, **computed))


def saved_config(workdir) -> Experiment:
    return Experiment.from_mapping(json.loads((workdir / "config.json").read_text()))


def stop_after(workdir, step):
    """Makes a finished run a half-trained one."""
    for folder in (workdir / "checkpoints").iterdir():
        if folder.name.isdigit() and int(folder.name) > step:
            shutil.rmtree(folder)


def go_on(config: Experiment, workdir, steps, auc):
    """What a run does that goes on: other parameters, and old checkpoints gone if it is better."""
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    checkpoints = Checkpoints(workdir)
    state = checkpoints.restore(checkpoints.latest_step(), learner.target)
    for step in steps:
        params = jax.tree.map(lambda array: array + 1, state.params)
        moved = TrainState(np.int32(step), params, state.opt_state, {})
        checkpoints.save(moved, config.to_mapping(), Progress(), auc)
    checkpoints.close()


@pytest.fixture
def experiment(small_experiment, tmp_path):
    """On a set of its own, which a test may replace."""
    write_drawn_set(tmp_path / "set")
    short = {"evaluate_every": 0, "checkpoint_every": 1}
    return lambda **data: small_experiment(data={"path": str(tmp_path / "set")} | data, train=short)


def test_a_run_says_what_it_was_trained_on(finished_run):
    _, workdir = finished_run
    computed = saved_config(workdir).computed
    assert computed.code == code_hash()
    (described,) = computed.data
    assert re.fullmatch(
        r"drawn/train: 32 clips, records [0-9a-f]{16}, preparation [0-9a-f]{12}", described
    )
    assert 0 < computed.priors.fake < 1
    assert load_run(workdir).config.computed == computed


def test_other_data_under_the_same_path_are_refused_unless_accepted(experiment, tmp_path):
    workdir = tmp_path / "run"
    assert train(experiment(), workdir)
    stop_after(workdir, 5)
    before = saved_config(workdir).computed.data
    shutil.rmtree(tmp_path / "set")
    write_drawn_set(tmp_path / "set", count=24, seed=1)
    with pytest.raises(
        ConfigError, match=r"set now holds drawn/train: .*; this run was trained on"
    ):
        train(experiment(), workdir)
    assert train(experiment(accept_changed=True), workdir)
    assert saved_config(workdir).computed.data != before


def test_a_run_that_gives_parameters_is_pinned_by_step_and_content(
    small_experiment, finished_run, tmp_path
):
    first = tmp_path / "first"
    shutil.copytree(finished_run[1], first)
    given = load_run(first)
    values = small_experiment(optimizer=FROZEN, train={"evaluate_every": 0}).to_mapping()
    values["init"]["run"] = str(first)
    begun = Experiment.from_mapping(values)
    assert train(begun, tmp_path / "run")
    assert saved_config(tmp_path / "run").computed.run.startswith(f"{given.step}:")

    go_on(given.config, first, steps=[50, 51], auc=0.0)  # the pinned step is kept: it is the best
    assert Checkpoints(first, read_only=True).latest_step() == 51
    run = load_run(tmp_path / "run")
    frozen = Learner(run.config, run.mesh, make_model(run.config)).names[1]
    assert frozen
    assert all(np.array_equal(run.params[name], given.params[name]) for name in frozen)

    go_on(given.config, first, steps=[52, 53], auc=1.0)
    with pytest.raises(CheckpointError, match=rf"holds no step {given.step} any more, only \[.*53"):
        load_run(tmp_path / "run")


def test_parameters_of_the_pinned_step_that_are_others_are_refused(
    small_experiment, finished_run, tmp_path
):
    values = small_experiment(optimizer=FROZEN).to_mapping()
    values["init"]["run"] = str(finished_run[1])
    step = load_run(finished_run[1]).step
    config = with_computed(Experiment.from_mapping(values), run=f"{step}:{'0' * 64}")
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    with pytest.raises(CheckpointError, match="holds other parameters than when this run began"):
        learner.init_frozen()
    with pytest.raises(ConfigError, match="holds other parameters than when this run began"):
        train(config, tmp_path / "run")


def test_another_stage_is_refused(small_experiment, finished_pretraining):
    with pytest.raises(ConfigError, match=r"config\.stage was 'pretrain', now 'train'"):
        train(small_experiment(), finished_pretraining[1])


def test_other_code_is_reported(small_experiment, caplog):
    config = with_computed(small_experiment(), code="0" * 64)
    assert pin_code(config).computed.code == code_hash()
    assert "begun by other code (000000000000, now" in caplog.text


def test_a_configuration_of_a_run_makes_the_same_run(finished_run, tmp_path):
    _, workdir = finished_run
    assert train(saved_config(workdir), tmp_path / "again")
    first, again = (load_run(folder).params for folder in (workdir, tmp_path / "again"))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    wrong = with_computed(saved_config(workdir), data=("drawn/train: 7 clips",))
    with pytest.raises(ConfigError, match="this run was trained on drawn/train: 7 clips"):
        train(wrong, tmp_path / "other")
