"""What several real processes train, store and score is what one does, in the same order."""

import csv
import json
import pathlib
import shutil
import signal
import socket

import numpy as np
import pytest

from cad_jax.commands.modes import MODES
from cad_jax.parallel.mesh import make_mesh
from cad_jax.parallel.watch import LOST
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.training.learner import Learner
from cad_jax.training.tower_features import open_features

pytestmark = pytest.mark.slow

HOST = pathlib.Path(__file__).with_name("modes_host.py")
FROZEN = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}

# Sums in another order: relative for a loss, absolute for a parameter and a score.
LOSS, PARAMETER, SCORE = 2e-6, 1e-5, 2e-6
SPREAD = 64  # entries of a parameter that is spread over the hosts: of so small a model all but few
# Softmax takes no notice of it: its gradient is rounding alone, of which Adam makes whole steps.
WITHOUT_GRADIENT = "attention/key/bias"


@pytest.fixture(scope="module")
def todo_in(small_experiment, small_pretraining, drawn_set):
    """What to do in a folder: by name the mode, the experiment and its work folder."""

    def make(folder, **mesh):
        shutil.copytree(drawn_set, folder / "set")
        trained = small_experiment(mesh=mesh)
        clip = {"seconds": 2.0, "frames": 5, "image_size": 32}
        data = {"path": str(folder / "set"), "clip": clip, "augment": {}}
        stored = small_experiment(data=data, optimizer=FROZEN, mesh=mesh)
        pretrained = small_pretraining(mesh=mesh, train={"steps": 4, "evaluate_every": 2})
        return {
            "train": ("train", trained, folder / "trained"),
            "features": ("features", stored, folder / "none"),
            "pretrain": ("train", pretrained, folder / "pretrained"),
        }

    return make


@pytest.fixture(scope="module")
def alone(todo_in, finished_run, finished_pretraining, tmp_path_factory):
    """The same done by this process, which has all devices; trained it has already."""
    folder = tmp_path_factory.mktemp("alone")
    todo = todo_in(folder, data=1, fsdp=-1)
    shutil.copytree(finished_run[1], folder / "trained")
    shutil.copytree(finished_pretraining[1], folder / "pretrained")
    for mode, experiment, workdir in todo.values():
        assert MODES[mode](experiment, workdir)
    return todo


def start(start_hosts, folder, count, todo, **more):
    """So many hosts, each of one device."""
    tasks = [(mode, config.to_mapping(), str(workdir)) for mode, config, workdir in todo.values()]
    (folder / "todo.json").write_text(json.dumps({"tasks": tasks} | more))
    host = [str(HOST), "NUMBER", str(count), "PORT", str(folder / "todo.json")]
    commands = ([str(n) if part == "NUMBER" else part for part in host] for n in range(count))
    return start_hosts(folder, *commands, devices=1)


def losses(workdir):
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def final_params(config, workdir):
    checkpoints = Checkpoints(workdir, read_only=True)
    saved = Experiment.from_mapping(checkpoints.read_config(config.train.steps))
    learner = Learner(saved, make_mesh(1, -1), make_model(saved))
    return checkpoints.restore_params(config.train.steps, learner.target.params)


def scores(workdir):
    with (workdir / "evaluation" / "scores-test.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [row["clip_id"] for row in rows], [float(row["p_fake"]) for row in rows]


def assert_same_training(first, second):
    curves = losses(first[2]), losses(second[2])
    assert list(curves[0]) == list(curves[1]) == list(range(1, first[1].train.steps + 1))
    np.testing.assert_allclose([*curves[0].values()], [*curves[1].values()], rtol=LOSS)
    ours, theirs = final_params(*first[1:]), final_params(*second[1:])
    for name in ours:
        if not name.endswith(WITHOUT_GRADIENT):
            np.testing.assert_allclose(ours[name], theirs[name], atol=PARAMETER, err_msg=name)


def assert_same_evaluation(first, second):
    (names, values), (others, found) = scores(first[2]), scores(second[2])
    assert names == others
    np.testing.assert_allclose(found, values, atol=SCORE)


def assert_same_features(first, second):
    stores = [
        open_features(
            Experiment.from_mapping(
                config.to_mapping() | {"data": config.to_mapping()["data"] | {"features": True}}
            )
        )[0]
        for _, config, _ in (first, second)
    ]
    assert list(stores[0]._entries) == list(stores[1]._entries)
    for name in stores[0]._entries:
        for kind in ("video", "audio"):
            ours, theirs = (np.asarray(getattr(s[name], kind), np.float32) for s in stores)
            np.testing.assert_allclose(ours, theirs, rtol=2**-7, atol=2**-7)


def assert_every_file_counts(workdir):
    """Of what several hosts wrote, each at its own place; `run/test_manifest.py` knows the rest."""
    steps = sorted(int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*"))
    before, newest = steps[-2:]
    folder = workdir / "checkpoints" / str(newest)
    # Orbax's own note is written last, over what is whole and hashed; nothing reads it.
    unread = folder / "commit_success.txt"
    files = [path for path in folder.rglob("*") if path.is_file() and path != unread]
    assert sum("ocdbt.process_1" in str(path) for path in files) > 3
    for path in files:
        content = path.read_bytes()
        for damaged in (None, bytes([content[0] ^ 1]) + content[1:]):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            assert Checkpoints(workdir, read_only=True).latest_step() == before, path
        path.write_bytes(content)
    assert Checkpoints(workdir, read_only=True).latest_step() == newest


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.heavy)])
def test_many_do_what_one_does(start_hosts, todo_in, alone, tmp_path, count):
    todo = todo_in(tmp_path, data=-1, fsdp=2, shard_from=SPREAD)
    hosts = start(start_hosts, tmp_path, count, todo)
    assert hosts.wait() == [0] * count, hosts.all_said()
    for mode in ("train", "pretrain"):
        assert_same_training(alone[mode], todo[mode])
    assert_same_evaluation(alone["train"], todo["train"])
    assert_same_features(alone["features"], todo["features"])
    assert_every_file_counts(todo["train"][2])


@pytest.mark.heavy
@pytest.mark.parametrize("count", [2, 4])
def test_what_many_began_fewer_go_on_with(start_hosts, todo_in, alone, tmp_path, count):
    """The last host is killed at the fifth step; all the others name it."""
    begun = only("train", todo_in(tmp_path, data=-1, fsdp=count, shard_from=SPREAD))
    workdir = begun["train"][2]
    hosts = start(start_hosts, tmp_path, count, begun, dies_at=5)
    assert hosts.wait() == [LOST] * (count - 1) + [-signal.SIGKILL], hosts.all_said()
    for survivor in range(count - 1):
        assert f"error: host {count - 1} ({socket.gethostname()}) is gone" in hosts.said(survivor)
    assert Checkpoints(workdir, read_only=True).latest_step() in (2, 4)

    for fewer in (1, 2)[: count // 2]:
        folder = tmp_path / f"on-{fewer}"
        todo = only("train", todo_in(folder, data=fewer, fsdp=-1, shard_from=SPREAD))
        shutil.copytree(workdir, todo["train"][2])
        if fewer == 1:
            assert MODES["train"](*todo["train"][1:])
        else:
            hosts = start(start_hosts, folder, fewer, todo)
            assert hosts.wait() == [0] * fewer, hosts.all_said()
        assert_same_training(alone["train"], todo["train"])
        assert_same_evaluation(alone["train"], todo["train"])


def only(name, todo):
    return {name: todo[name]}
