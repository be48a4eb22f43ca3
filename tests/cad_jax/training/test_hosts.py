"""Two real processes on loopback, by the command line: they stop, save and fail together."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.placement import make_model
from cad_jax.training.learner import Learner

ROOT = pathlib.Path(__file__).parents[3]
ENVIRONMENT = {
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
    "PYTHONPATH": str(ROOT),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Pair:
    """Two processes of one training, with what they say."""

    def __init__(self, config, workdir, *arguments):
        file = workdir.parent / f"{workdir.name}.json"
        file.write_text(json.dumps(config.to_mapping()))
        self.outputs = [workdir.parent / f"{workdir.name}-{number}.txt" for number in (0, 1)]
        command = [sys.executable, str(ROOT / "train.py"), f"--config={file}"]
        command += [f"--workdir={workdir}", f"--coordinator=127.0.0.1:{free_port()}"]
        self.processes = [
            subprocess.Popen(
                [*command, "--num_processes=2", f"--process_id={number}", *arguments],
                env=os.environ | ENVIRONMENT,
                stdout=self.outputs[number].open("w"),
                stderr=subprocess.STDOUT,
            )
            for number in (0, 1)
        ]
        self.workdir = workdir

    def wait(self, seconds):
        """Their exit codes, in at most so many seconds."""
        deadline = time.monotonic() + seconds
        try:
            return [p.wait(max(deadline - time.monotonic(), 0)) for p in self.processes]
        finally:
            self.kill()

    def wait_for_step(self, step):
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and not any(p.poll() for p in self.processes):
            saved = [int(p.name) for p in self.workdir.glob("checkpoints/*") if p.name.isdigit()]
            if max(saved, default=0) >= step:
                return
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"no checkpoint of step {step}: {self.said(0)} {self.said(1)}")

    def said(self, number):
        return self.outputs[number].read_text()

    def kill(self):
        for process in self.processes:
            process.kill()


@pytest.fixture
def config(small_experiment):
    return small_experiment(
        mesh={"data": -1, "fsdp": 2},
        train={"steps": 60, "evaluate_every": 30, "checkpoint_every": 4},
    )


def losses(workdir):
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def final_params(workdir, config):
    learner = Learner(config, make_mesh(1, -1), make_model(config))
    checkpoints = Checkpoints(workdir, read_only=True)
    return checkpoints.restore_params(config.train.steps, learner.target.params)


def test_sigterm_to_one_stops_both_and_the_same_command_goes_on(config, tmp_path):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    pair = Pair(config, stopped)
    pair.wait_for_step(4)
    pair.processes[1].send_signal(signal.SIGTERM)
    assert pair.wait(30) == [143, 143], pair.said(0) + pair.said(1)
    saved = Checkpoints(stopped, read_only=True).latest_step()
    assert 4 < saved < config.train.steps
    for host in (0, 1):
        assert re.search(rf"saved at step {saved}$", pair.said(host), re.MULTILINE)

    assert Pair(config, stopped).wait(300) == [0, 0]
    assert Pair(config, whole).wait(300) == [0, 0]
    assert losses(stopped) == losses(whole)
    assert list(losses(whole)) == list(range(1, config.train.steps + 1))
    first, second = (final_params(folder, config) for folder in (stopped, whole))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_dies_is_named_and_the_checkpoint_is_whole(config, tmp_path, victim):
    pair = Pair(config, tmp_path / "run")
    pair.wait_for_step(4)
    pair.processes[victim].kill()
    codes = pair.wait(90)
    assert codes[1 - victim] == -signal.SIGABRT
    said = pair.said(1 - victim)
    assert ("stopped sending heartbeats):\n1" if victim else "the leader") in said
    assert Checkpoints(tmp_path / "run", read_only=True).latest_step() >= 4
