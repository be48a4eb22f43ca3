"""Two real processes on loopback agree, stop, save and fail together."""

import contextlib
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.parallel.mesh import batch_sharding, make_mesh
from cad_jax.parallel.watch import LOST, SILENT_S
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.placement import make_model
from cad_jax.training.learner import Learner

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
TOY = pathlib.Path(__file__).with_name("toy_host.py")


@pytest.fixture
def toy_pair(start_hosts):
    """Starts two hosts of a toy training in a folder, see `toy_host`."""

    def start(folder, what="run"):
        return start_hosts(folder, *([str(TOY), n, "PORT", str(folder), what] for n in "01"))

    return start


def expected(step):
    x = jnp.arange(8.0)
    for _ in range(step):
        x = (x + jnp.mean(x)) / 2 + 1
    return x


def test_a_signal_to_one_stops_both_at_one_step_and_both_go_on(toy_pair, tmp_path):
    saved = 0
    for host, number in ((1, signal.SIGTERM), (0, signal.SIGINT)):
        pair = toy_pair(tmp_path)
        pair.wait_until_saved(tmp_path, saved + 20)
        pair.signal(host, number)
        assert pair.wait(30) == [143, 143]
        steps = [int(re.findall(r"stopped at (\d+)", pair.said(host))[0]) for host in (0, 1)]
        before, saved = saved, Checkpoints(tmp_path, read_only=True).latest_step()
        assert before < steps[0] == steps[1] == saved
    # Saved by two hosts of two devices each, read by one of eight.
    sharding = batch_sharding(make_mesh())
    target = {"x": jax.ShapeDtypeStruct((8,), jnp.float32, sharding=sharding)}
    params = Checkpoints(tmp_path, read_only=True).restore_params(saved, target)
    np.testing.assert_allclose(params["x"], expected(saved), rtol=1e-5)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("differ", r"host 1 \(.*\) has another configuration than host 0 \(.*\)"),
        ("fail", r"host 1 \(.*\): no such folder"),
        ("unshared", r"host 1 \(.*\): .*elsewhere is not the folder that host 0 writes"),
    ],
)
def test_a_host_that_differs_or_fails_is_named_by_both(toy_pair, tmp_path, what, message):
    pair = toy_pair(tmp_path, what)
    assert pair.wait() == [1, 1]
    for host in (0, 1):
        assert re.search(f"^error: {message}", pair.said(host), re.MULTILINE), pair.said(host)


@pytest.mark.parametrize(
    ("what", "busy", "asked"), [("build", 0, 1), ("build", 0, 0), ("compile", 1, 0)]
)
def test_a_stop_where_there_is_nothing_to_save_ends_both(toy_pair, tmp_path, what, busy, asked):
    pair = toy_pair(tmp_path, what)
    pair.wait_until_ready(busy)
    time.sleep(1)  # so that it is in the midst of it
    pair.signal(asked, signal.SIGTERM)
    assert pair.wait(30) == [143, 143]
    assert not (tmp_path / "data").exists() or what == "compile"
    assert not list(tmp_path.glob("checkpoints/*"))


@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_dies_is_named_and_the_checkpoint_is_whole(toy_pair, tmp_path, victim):
    pair = toy_pair(tmp_path)
    pair.wait_until_saved(tmp_path, 20)
    pair.signal(victim, signal.SIGKILL)
    assert pair.wait(30)[1 - victim] == LOST, pair.said(1 - victim)
    assert f"error: host {victim} ({socket.gethostname()}) is gone; " in pair.said(1 - victim)
    assert Checkpoints(tmp_path, read_only=True).latest_step() >= 20


def test_a_host_that_fails_alone_is_named_by_the_other(toy_pair, tmp_path):
    pair = toy_pair(tmp_path, "alone")
    assert pair.wait(60) == [LOST, 1], pair.all_said()
    assert "error: no such folder" in pair.said(1)
    assert f"error: host 1 ({socket.gethostname()}) failed: no such folder" in pair.said(0)


@pytest.mark.heavy
@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_stalls_is_named(toy_pair, tmp_path, victim):
    pair = toy_pair(tmp_path)
    pair.wait_until_saved(tmp_path, 20)
    pair.signal(victim, signal.SIGSTOP)
    began = time.monotonic()
    assert pair.processes[1 - victim].wait(90) == LOST, pair.said(1 - victim)
    assert time.monotonic() - began > SILENT_S - 2
    assert f"host {victim} ({socket.gethostname()}) is silent for 40 s" in pair.said(1 - victim)
    pair.signal(victim, signal.SIGCONT)
    assert pair.processes[victim].wait(30) != 0


# Over all devices of all hosts, so that each host saves a part of its own.
SPREAD = {"data": 1, "fsdp": -1, "shard_from": 64}


@pytest.fixture
def config(small_experiment):
    return small_experiment(
        mesh=SPREAD,
        train={"steps": 60, "evaluate_every": 30, "checkpoint_every": 4},
    )


@pytest.fixture
def start_training(start_hosts):
    """Starts so many hosts of `train.py`, the last one with arguments of its own."""

    def start(count, config, workdir, *last):
        file = workdir.parent / f"{workdir.name}.json"
        file.write_text(json.dumps(config.to_mapping()))
        command = [str(ROOT / "train.py"), f"--config={file}", f"--workdir={workdir}"]
        if count == 1:
            return start_hosts(workdir.parent, [*command, *last])
        command += ["--coordinator=127.0.0.1:PORT", f"--num_processes={count}"]
        commands = [[*command, f"--process_id={number}"] for number in range(count)]
        return start_hosts(workdir.parent, *commands[:-1], [*commands[-1], *last])

    return start


def logged(workdir, name):
    """A figure by step, where it was logged."""
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[name] for row in rows if name in row}


def losses(workdir):
    return logged(workdir, "loss")


def final_params(workdir, config):
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    checkpoints = Checkpoints(workdir, read_only=True)
    return checkpoints.restore_params(config.train.steps, learner.target.params)


@pytest.mark.heavy
def test_a_training_that_was_stopped_on_one_host_ends_as_if_it_was_not(
    start_training, config, tmp_path
):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    pair = start_training(2, config, stopped)
    pair.wait_until_saved(stopped, 4)
    pair.signal(1, signal.SIGTERM)
    assert pair.wait(30) == [143, 143], pair.all_said()
    saved = Checkpoints(stopped, read_only=True).latest_step()
    assert 4 <= saved < config.train.steps
    for host in (0, 1):
        assert re.search(rf"saved at step {saved}$", pair.said(host), re.MULTILINE)
    assert start_training(2, config, stopped).wait() == [0, 0]
    assert start_training(2, config, whole).wait() == [0, 0]
    assert list(losses(whole)) == list(range(1, config.train.steps + 1))
    slowest = logged(whole, "speed/slowest_host")
    assert slowest.keys() == losses(whole).keys()
    assert all(0 <= share < 1 for share in slowest.values())
    same(stopped, whole, config)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.seed=1", r"host 1 \(.*\) has another configuration than host 0"),
        ("--config.data.path=/nowhere", r"host 1 \(.*\): .*/nowhere"),
    ],
)
def test_a_training_host_that_differs_is_named_by_both(
    start_training, config, tmp_path, argument, message
):
    pair = start_training(2, config, tmp_path / "run", argument)
    assert pair.wait() == [1, 1]
    for host in (0, 1):
        assert re.search(f"^error: {message}", pair.said(host), re.MULTILINE), pair.said(host)
        assert "Traceback" not in pair.said(host)


# As a share of the time until twelve steps are saved. Of two, none is killed while they look for
# each other: the other one would look on for five minutes.
EARLIEST = {1: 0, 2: 0.5}


@pytest.mark.heavy
@pytest.mark.parametrize("count", [1, 2])
def test_twenty_kills_change_nothing(start_training, small_experiment, tmp_path, count):
    rhythm = {"steps": 300, "evaluate_every": 50, "checkpoint_every": 4}
    config = small_experiment(mesh=SPREAD, train=rhythm)
    whole, runs = tmp_path / "whole", [tmp_path / "run-0"]
    began = time.monotonic()
    hosts = start_training(count, config, whole)
    hosts.wait_until_saved(whole, 12)
    duration = time.monotonic() - began
    assert hosts.wait() == [0] * count

    dice, kills = random.Random(count), []
    while len(kills) < 20:
        hosts, victim = start_training(count, config, runs[-1]), dice.randrange(count)
        seconds = dice.uniform(EARLIEST[count], 1.3) * duration
        with contextlib.suppress(subprocess.TimeoutExpired):
            hosts.processes[victim].wait(seconds)
        hosts.signal(victim, signal.SIGKILL)
        codes = hosts.wait()
        assert "damaged" not in hosts.all_said()
        if codes[victim] == 0:  # it was finished before
            runs.append(tmp_path / f"run-{len(runs)}")
        else:
            steps = [int(p.name) for p in runs[-1].glob("checkpoints/*") if p.name.isdigit()]
            kills.append((runs[-1].name, round(seconds), codes, max(steps, default=0)))
            print(kills[-1], flush=True)
    for run in runs:
        assert start_training(count, config, run).wait() == [0] * count
        same(run, whole, config)


def same(workdir, whole, config):
    assert losses(workdir) == losses(whole)
    first, second = (final_params(folder, config) for folder in (workdir, whole))
    assert all(np.array_equal(first[name], second[name]) for name in second)
    scores = (folder / "evaluation" / "scores-test.csv" for folder in (workdir, whole))
    assert len({file.read_text() for file in scores}) == 1
