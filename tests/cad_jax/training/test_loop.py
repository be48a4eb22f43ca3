"""The loop: runs, resumes bit for bit after any kind of end, refuses what does not fit."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.files import LOCK_FILE
from cad_jax.run.placement import make_model
from cad_jax.run.validation import Validation
from cad_jax.settings.structure import ConfigError
from cad_jax.training import loop
from cad_jax.training.learner import Learner
from cad_jax.training.loop import TrainingError, train
from cad_jax.training.preemption import AgreedStop
from data_pipelines.errors import UserError
from data_pipelines.records.lock import HeldError, held

pytestmark = pytest.mark.slow

PATIENCE_S = 1800  # the machine may be busy


def losses(workdir):
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row for row in rows if "loss" in row}


def deterministic(row):
    return {name: value for name, value in row.items() if not name.startswith("speed/")}


def final_state(workdir, config):
    checkpoints = Checkpoints(workdir, read_only=True)
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    return checkpoints.restore(config.train.steps, learner.target)


def same_run(first, second, config):
    curves = losses(first), losses(second)
    assert curves[0].keys() == curves[1].keys() == set(range(1, config.train.steps + 1))
    for step, row in curves[0].items():
        assert deterministic(row) == deterministic(curves[1][step]), f"step {step}"
    jax.tree.map(
        np.testing.assert_array_equal, final_state(first, config), final_state(second, config)
    )


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture(scope="module")
def run_process(tmp_path_factory, environment):
    """Starts `train` in a process of its own, as train.py would."""
    script = tmp_path_factory.mktemp("script") / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, pathlib, sys
            from absl import app
            from cad_jax.settings.experiment import Experiment

            def main(argv):
                from cad_jax.training.loop import train
                config = Experiment.from_mapping(json.loads(argv[1]))
                sys.exit(0 if train(config, pathlib.Path(argv[2])) else 143)

            if __name__ == "__main__":
                app.run(main)
            """
        )
    )

    def start(config, workdir):
        workdir.mkdir(exist_ok=True)
        command = [sys.executable, str(script), json.dumps(config.to_mapping()), str(workdir)]
        return subprocess.Popen(command, env=environment(1), stderr=subprocess.DEVNULL)

    return start


def wait_for_step(workdir, step, process):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        saved = [int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()]
        if saved and max(saved) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of step {step}; exit code {process.poll()}")


def test_trains_logs_and_saves(finished_run):
    _, workdir = finished_run
    rows = losses(workdir)
    assert set(rows) == set(range(1, 7))
    terms = {name for name in rows[1] if name.startswith("loss/")}
    assert {"loss/cls", "loss/uni_video", "loss/align_clip", "loss/align_frame", "loss/kl"} < terms
    assert all(np.isfinite(v) for row in rows.values() for v in row.values() if v is not None)
    assert json.loads((workdir / "config.json").read_text())["seed"] == 0
    assert "specific_video" in (workdir / "parameters.txt").read_text()
    checkpoints = Checkpoints(workdir, read_only=True)
    assert checkpoints.latest_step() == 6
    assert 0 <= checkpoints.read_progress(6).best_auc <= 1


def test_every_second_of_a_run_is_logged_by_phase(finished_run):
    _, workdir = finished_run
    row = losses(workdir)[6]
    kept = json.loads((workdir / "goodput.json").read_text())["seconds"]
    for phase in ("start", "compile", "input", "step", "checkpoint", "evaluation"):
        assert 0 < row[f"speed/{phase}_seconds"] <= kept[phase], phase
    assert row["speed/lost_seconds"] == kept["lost"] == 0
    assert row["speed/goodput"] < kept["step"] / row["speed/step_seconds"]
    assert not {"speed/mfu", "speed/memory_gb", "speed/slowest_host"} & row.keys()  # a CPU, alone


def test_a_window_of_steps_is_profiled(small_experiment, workdir):
    config = small_experiment(train={"profile_at": 2, "profile_steps": 1})
    assert train(config, workdir)
    assert list((workdir / "profile").rglob("*.xplane.pb"))


def test_killed_and_stopped_it_ends_bit_for_bit_as_if_it_was_not(
    small_experiment, workdir, tmp_path, run_process
):
    """Killed, gone on with by other workers, stopped by SIGTERM, gone on with to the end."""
    rhythm = {"steps": 40, "evaluate_every": 20, "checkpoint_every": 5}
    average = {"ema_decay": 0.9}
    config = small_experiment(train=rhythm, optimizer=average)
    assert run_process(config, tmp_path / "whole").wait(timeout=PATIENCE_S) == 0

    process = run_process(config, workdir)
    wait_for_step(workdir, 5, process)
    time.sleep(0.2)
    process.kill()
    process.wait()
    before = json.loads((workdir / "goodput.json").read_text())
    survived = Checkpoints(workdir, read_only=True).latest_step()
    assert survived < 40
    covered = before["at_checkpoint"][str(survived)]
    again = ("input", "step", "evaluation")
    lost = sum(before["seconds"][phase] - covered[phase] for phase in again)
    assert lost > 0

    resumed = small_experiment(train=rhythm, data={"workers": 2}, optimizer=average)
    process = run_process(resumed, workdir)
    wait_for_step(workdir, max(map(int, before["at_checkpoint"])) + 5, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) == 143
    saved = Checkpoints(workdir, read_only=True).latest_step()
    assert survived < saved < 40
    assert max(losses(workdir)) == saved
    after = json.loads((workdir / "goodput.json").read_text())["seconds"]
    assert after["lost"] == pytest.approx(lost)
    for phase in ("start", "compile"):
        assert after[phase] > before["seconds"][phase], phase
    assert after["step"] > covered["step"]

    assert run_process(config, workdir).wait(timeout=PATIENCE_S) == 0
    same_run(tmp_path / "whole", workdir, config)


def test_a_stop_at_an_evaluation_leaves_it_to_the_next_start(
    small_experiment, finished_run, workdir, monkeypatch
):
    config = small_experiment()  # evaluates at 4 and at the end, 6
    for start, stop_at in ((0, 4), (4, 6)):
        steps = itertools.count(start + 1)
        monkeypatch.setattr(AgreedStop, "__call__", lambda *_, last: next(steps) == stop_at)  # noqa: B023
        assert not train(config, workdir)
        checkpoints = Checkpoints(workdir, read_only=True)
        assert checkpoints.latest_step() == stop_at
        assert checkpoints.read_progress(stop_at).evaluated_at < stop_at
    monkeypatch.setattr(AgreedStop, "now", lambda *_: True)  # while it validates at 6
    assert not train(config, workdir)
    assert Checkpoints(workdir, read_only=True).read_progress(6).evaluated_at == 4
    monkeypatch.undo()
    assert train(config, workdir)
    same_run(finished_run[1], workdir, config)
    here, there = (Checkpoints(folder, read_only=True) for folder in (workdir, finished_run[1]))
    assert here.best_step() == there.best_step()
    assert here.read_progress(6) == there.read_progress(6)
    validated = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in validated if "validation/auc" in row] == [4, 6]


def test_another_experiment_in_the_same_folder_is_refused(small_experiment, finished_run):
    with pytest.raises(ConfigError, match=r"config\.optimizer\.learning_rate was 0\.003, now 0\.1"):
        train(small_experiment(optimizer={"learning_rate": 0.1}), finished_run[1])


def test_a_second_training_in_the_folder_is_one_line(small_experiment, workdir):
    with (
        held(workdir / LOCK_FILE),
        pytest.raises(HeldError, match=rf"is trained in already, by process {os.getpid()} on"),
    ):
        train(small_experiment(), workdir)


@pytest.mark.parametrize("section", ["data", "evaluation"])
def test_batches_that_the_devices_cannot_share_are_refused_at_once(
    small_experiment, workdir, section
):
    config = small_experiment(**{section: {"batch_size": 12}})
    with pytest.raises(UserError, match=rf"{section}\.batch_size of 12 clips does not divide"):
        train(config, workdir)


def test_microbatches_that_do_not_divide_are_refused_before_the_data_are_opened(
    small_experiment, workdir
):
    config = small_experiment(data={"path": "nowhere"}, train={"microbatches": 2})
    match = "8 clips does not divide by 8 devices in 2 microbatches: choose a multiple of 16"
    with pytest.raises(UserError, match=match):
        train(config, workdir)


def test_a_finished_run_is_left_alone(finished_run):
    config, workdir = finished_run
    before = (workdir / "metrics.jsonl").read_text()
    assert train(config, workdir)
    assert (workdir / "metrics.jsonl").read_text() == before


def test_a_loss_that_is_not_finite_stops_the_run(small_experiment, workdir, monkeypatch):
    def broken(learner, init=Learner.init):
        state = init(learner)
        return state._replace(params={n: leaf * jnp.nan for n, leaf in state.params.items()})

    monkeypatch.setattr(Learner, "init", broken)
    with pytest.raises(TrainingError, match="not finite"):
        train(small_experiment(), workdir)


def test_early_stop(small_experiment, workdir, monkeypatch):
    aucs = iter((0.6, 0.7, 0.65, 0.7, 0.9))
    monkeypatch.setattr(
        loop, "validate", lambda *_: Validation("auc", {"drawn": {"auc": next(aucs)}})
    )
    config = small_experiment(train={"evaluate_every": 1, "early_stop": 2})  # of six steps
    assert train(config, workdir)
    assert max(losses(workdir)) == 4
    assert train(config, workdir)  # does not go on
    assert max(losses(workdir)) == 4
