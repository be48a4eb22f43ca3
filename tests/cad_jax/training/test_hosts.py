"""Two real processes on loopback agree, stop, save and fail together."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.parallel.mesh import batch_sharding, make_mesh
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.placement import make_model
from cad_jax.training.learner import Learner

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
TOY = pathlib.Path(__file__).with_name("toy_host.py")
ENVIRONMENT = {
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
    "PYTHONPATH": str(ROOT),
}


class Pair:
    """Two processes, with what they say.

    Args:
        folder: for that.
        commands: their arguments; `PORT` stands for a free one.
    """

    def __init__(self, folder, *commands):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.outputs = [folder / f"host-{number}.txt" for number in (0, 1)]
        self.processes = []
        for command, output in zip(commands, self.outputs, strict=True):
            arguments = [sys.executable, *(part.replace("PORT", port) for part in command)]
            with output.open("w") as file:
                self.processes.append(
                    subprocess.Popen(
                        arguments,
                        env=os.environ | ENVIRONMENT,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                )

    def wait(self, seconds):
        """Their exit codes, in at most so many seconds."""
        deadline = time.monotonic() + seconds
        try:
            return [p.wait(max(deadline - time.monotonic(), 0)) for p in self.processes]
        finally:
            for process in self.processes:
                process.kill()

    def wait_until_saved(self, workdir, step):
        deadline = time.monotonic() + 240
        while not any(int(p.name) >= step for p in workdir.glob("checkpoints/[0-9]*[0-9]")):
            late = time.monotonic() > deadline or any(p.poll() for p in self.processes)
            assert not late, self.said(0) + self.said(1)
            time.sleep(0.05)

    def said(self, number):
        return self.outputs[number].read_text()


def toy_pair(folder, what="run"):
    return Pair(folder, *([str(TOY), number, "PORT", str(folder), what] for number in "01"))


def expected(step):
    x = jnp.arange(8.0)
    for _ in range(step):
        x = (x + jnp.mean(x)) / 2 + 1
    return x


def test_a_signal_to_one_stops_both_at_one_step_and_both_go_on(tmp_path):
    saved = 0
    for host, number in ((1, signal.SIGTERM), (0, signal.SIGINT)):
        pair = toy_pair(tmp_path)
        pair.wait_until_saved(tmp_path, saved + 20)
        pair.processes[host].send_signal(number)
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
    ],
)
def test_a_host_that_differs_or_fails_is_named_by_both(tmp_path, what, message):
    pair = toy_pair(tmp_path, what)
    assert pair.wait(60) == [1, 1]
    for host in (0, 1):
        assert re.search(f"^error: {message}", pair.said(host), re.MULTILINE), pair.said(host)


@pytest.mark.heavy
@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_dies_is_named_and_the_checkpoint_is_whole(tmp_path, victim):
    pair = toy_pair(tmp_path)
    pair.wait_until_saved(tmp_path, 20)
    pair.processes[victim].kill()
    assert pair.wait(90)[1 - victim] == -signal.SIGABRT
    named = "the leader" if victim == 0 else "stopped sending heartbeats):\n1\n"
    assert named in pair.said(1 - victim)
    assert Checkpoints(tmp_path, read_only=True).latest_step() >= 20


@pytest.fixture
def config(small_experiment):
    return small_experiment(
        mesh={"data": -1, "fsdp": 2},
        train={"steps": 60, "evaluate_every": 30, "checkpoint_every": 4},
    )


def training_pair(config, workdir, *second):
    """Two hosts of `train.py`, the second with arguments of its own."""
    file = workdir.parent / f"{workdir.name}.json"
    file.write_text(json.dumps(config.to_mapping()))
    command = [str(ROOT / "train.py"), f"--config={file}", f"--workdir={workdir}"]
    command += ["--coordinator=127.0.0.1:PORT", "--num_processes=2"]
    return Pair(workdir.parent, [*command, "--process_id=0"], [*command, "--process_id=1", *second])


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
def test_a_training_that_was_stopped_on_one_host_ends_as_if_it_was_not(config, tmp_path):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    pair = training_pair(config, stopped)
    pair.wait_until_saved(stopped, 4)
    pair.processes[1].send_signal(signal.SIGTERM)
    assert pair.wait(30) == [143, 143], pair.said(0) + pair.said(1)
    saved = Checkpoints(stopped, read_only=True).latest_step()
    assert 4 <= saved < config.train.steps
    for host in (0, 1):
        assert re.search(rf"saved at step {saved}$", pair.said(host), re.MULTILINE)
    assert training_pair(config, stopped).wait(300) == [0, 0]
    assert training_pair(config, whole).wait(300) == [0, 0]
    assert losses(stopped) == losses(whole)
    assert list(losses(whole)) == list(range(1, config.train.steps + 1))
    slowest = logged(whole, "speed/slowest_host")
    assert slowest.keys() == losses(whole).keys()
    assert all(0 <= share < 1 for share in slowest.values())
    first, second = (final_params(folder, config) for folder in (stopped, whole))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.seed=1", r"host 1 \(.*\) has another configuration than host 0"),
        ("--config.data.path=/nowhere", r"host 1 \(.*\): .*/nowhere"),
    ],
)
def test_a_training_host_that_differs_is_named_by_both(config, tmp_path, argument, message):
    pair = training_pair(config, tmp_path / "run", argument)
    assert pair.wait(120) == [1, 1]
    for host in (0, 1):
        assert re.search(f"^error: {message}", pair.said(host), re.MULTILINE), pair.said(host)
        assert "Traceback" not in pair.said(host)
