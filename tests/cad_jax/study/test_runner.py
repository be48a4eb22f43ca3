import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from cad_jax.commands.study import main
from cad_jax.evaluation.score_table import write_scores
from cad_jax.parallel.stop_signals import STOPPED_LINE
from cad_jax.settings.protocol import Protocol
from cad_jax.study import runner
from cad_jax.study.runner import run_study
from cad_jax.study.store import Store
from data_pipelines.errors import UserError

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def protocol(drawn_set):
    def make(**changes):
        data = {"path": str(drawn_set)}
        return Protocol(
            preset="configs/cad.py:data=folder",
            changes={"data": data, **changes},
            variants=("full", "no-alignment", "late-maximum"),
            seeds=(0, 1),
        )

    return make


@pytest.fixture
def trained(monkeypatch, scores):
    """The runs that were trained; leaves what a training leaves. `fail` names one that does not."""
    names: list[str] = []

    def train(run, _):
        names.append(run.name)
        (run.workdir / "evaluation").mkdir(parents=True, exist_ok=True)
        (run.workdir / "log.txt").write_text("error: the disk is full\n")
        if run.name in names_that_fail:
            return None
        config = run.config.to_mapping() | {"computed": {"code": "c0de"}}
        (run.workdir / "config.json").write_text(json.dumps(config))
        (run.workdir / "goodput.json").write_text('{"seconds": {"step": 2.0}}')
        for split in ("val", "test"):
            folder = run.workdir / "evaluation"
            write_scores(scores(split, run.seed, 1.0), folder / f"scores-{split}.csv")
            metrics = {"videos": {"overall": {"p_fake": {"auc": 0.5}}}}
            (folder / f"metrics-{split}.json").write_text(json.dumps(metrics))
        return 3.0

    names_that_fail: set[str] = set()
    monkeypatch.setattr(runner, "_train", train)
    monkeypatch.setattr(runner, "_hardware", lambda _: "1 x cpu")
    return names, names_that_fail


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_variant_is_trained_with_every_seed_once(protocol, trained, tmp_path, jobs):
    said: list[str] = []
    assert run_study("made", protocol(), tmp_path / "study", jobs, said.append) == (0, False)
    want = {f"{variant} seed {seed}" for variant in ("full", "no-alignment") for seed in (0, 1)}
    assert set(trained[0]) == want
    assert len(trained[0]) == 4
    result = Store(tmp_path / "study").read()[0]
    assert (result.protocol, result.code, result.hardware) == ("made", "c0de", "1 x cpu")
    assert result.seconds == {"step": 2.0, "process": 3.0}
    assert [one.split for one in result.scores] == ["val", "test"]
    assert result.metrics["test"]["p_fake"]["auc"] == 0.5
    assert run_study("made", protocol(), tmp_path / "study", jobs, said.append) == (0, False)
    assert len(trained[0]) == 4
    assert said[-1] == "made: 4 runs, 4 done"


def test_a_run_that_fails_is_told_and_tried_again(protocol, trained, tmp_path):
    names, failing = trained
    failing.add("full seed 0")
    said: list[str] = []
    assert run_study("made", protocol(), tmp_path / "study", 1, said.append) == (1, False)
    assert "full seed 0: FAILED" in said[1]
    assert said[1].endswith("log.txt: error: the disk is full")
    assert len(names) == 4  # the others are run
    failing.clear()
    assert run_study("made", protocol(), tmp_path / "study", 1, said.append) == (0, False)
    assert names[4:] == ["full seed 0"]


def test_a_variant_that_is_none_of_this_preset_is_refused(protocol, trained, tmp_path):
    """Towers from scratch have no adapters that could be left out."""
    twice = dataclasses.replace(protocol(), variants=("full", "no-adapters"))
    with pytest.raises(UserError, match="no-adapters is the same training as full here"):
        run_study("made", twice, tmp_path / "study", say=str)
    assert trained[0] == []


def test_a_folder_of_other_settings_or_inputs_is_refused(protocol, trained, tmp_path, silent_set):
    output = tmp_path / "study"
    run_study("made", protocol(), output, say=str)
    with pytest.raises(UserError, match="full seed 0 of other settings than the protocol's"):
        run_study("made", protocol(loss={"kl": 0.7}), output, say=str)
    other = Protocol(
        preset="configs/cad.py:data=folder", changes={"data": {"path": str(silent_set)}}
    )
    with pytest.raises(UserError, match="holds results of other inputs: data train 0 was"):
        run_study("made", other, output, say=str)
    assert len(trained[0]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "--protocol=embedded", "--output=nowhere"], "no results in nowhere"),
        (["run", "--protocol=embeded", "--output=nowhere"], "did you mean 'embedded'"),
        (["run", "--protocol=cross", "--output=nowhere"], "fakeavceleb-customary is not prepared"),
        (["compare", "full", "full", "--protocol=smoke", "--output=x"], "differs in nothing"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, message, capsys):
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("study: ")
    assert said.count("\n") == 1


def command_lines():
    """Of all processes."""
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")


ONE_SEED = """
import dataclasses

from cad_jax.settings.protocol import find_protocol

PROTOCOLS = {"one-seed": dataclasses.replace(find_protocol("smoke")[1], seeds=(0,))}
"""


@pytest.mark.slow
def test_a_whole_study(tmp_path, environment):
    """Two variants, a process each; what is lost is made again, and is the same."""
    (tmp_path / "one-seed.py").write_text(ONE_SEED)
    script, asked = str(ROOT / "scripts" / "study.py"), ["--protocol=one-seed.py", "--output=study"]

    def study(*arguments):
        done = subprocess.run(
            [sys.executable, script, *arguments, *asked],
            cwd=tmp_path, env=environment(1), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert study("run").count(": done in") == 2
    assert "2 runs, 2 done" in study("run")
    table = study("table", "--markdown")
    assert [line.split()[1] for line in table.splitlines() if line.startswith("| ")] == [
        "variant", "full", "no-alignment", "late-maximum", "late-logistic"
    ]  # fmt: skip
    results = tmp_path / "study" / "results.jsonl"
    lines = results.read_text().splitlines()
    results.write_text("\n".join(lines[1:]) + "\n")  # one is to be made again, from its checkpoint
    assert study("run").count(": done in") == 1
    assert study("table", "--markdown") == table
    assert "late-maximum" in study("compare", "full", "late-maximum")


STOPPING = """
import dataclasses

from cad_jax.settings.protocol import Protocol, find_protocol

_, smoke = find_protocol("smoke")
train = smoke.changes["train"] | {"steps": 60, "evaluate_every": 60, "checkpoint_every": 60}
changes = {**smoke.changes, "train": train}
PROTOCOLS = {
    "stopping": dataclasses.replace(smoke, changes=changes, variants=("full",), seeds=(0,))
}
"""


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_study_that_is_stopped_stops_its_training_and_goes_on(tmp_path, environment, number):
    """The signal reaches the study alone, as from a scheduler or another terminal."""
    (tmp_path / "stopping.py").write_text(STOPPING)
    command = [
        sys.executable, str(ROOT / "scripts" / "study.py"), "run", "--protocol=stopping.py",
        f"--output={tmp_path / 'study'}",
    ]  # fmt: skip
    place = {"cwd": tmp_path, "env": environment(1)}
    workdir = tmp_path / "study" / "full" / "seed-0"

    def trained_steps():
        file = workdir / "metrics.jsonl"
        rows = map(json.loads, file.read_text().splitlines() if file.exists() else [])
        return [row["step"] for row in rows if "loss" in row]

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **place)
    while process.poll() is None and not trained_steps():
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (143, f"study: {STOPPED_LINE}\n")
    assert not any(str(workdir) in line for line in command_lines())
    first = trained_steps()
    assert 1 <= len(first) < 60
    assert (workdir / "checkpoints" / str(first[-1])).is_dir()

    done = subprocess.run(command, capture_output=True, text=True, check=False, **place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 runs, 0 done" in done.stdout
    assert trained_steps() == list(range(1, 61))
