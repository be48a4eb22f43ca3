"""Runs what a protocol asks for: one process a run, so that memory and caches are its own.

Owns the order, what counts as done, and what is kept of a finished run. Who stops a study stops its
runs; each goes on from its checkpoint, as any training does.
"""

import concurrent.futures
import json
import os
import pathlib
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cad_jax.data import build_data
from cad_jax.parallel.stop_signals import StopSignals
from cad_jax.run.files import CONFIG_FILE, GOODPUT_FILE
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.protocol import Protocol
from cad_jax.study.inputs import (
    Inputs,
    check_set,
    configuration_hash,
    describe_inputs,
    first_difference,
)
from cad_jax.study.processes import Processes
from cad_jax.study.store import Result, Store, run_folder
from data_pipelines.errors import UserError
from data_pipelines.records.atomic import write_json
from data_pipelines.records.lock import held

LOG_FILE = "log.txt"
_TRAIN = "from cad_jax.commands.train import main; main()"
_DEVICES = """
import jax
devices = jax.devices()
print(f"{len(devices)} x {devices[0].device_kind}, jax {jax.__version__}")
"""


class Outcome(NamedTuple):
    """What has become of a study.

    Attributes:
        failed: how many runs did; their logs say why.
        stopped: whether SIGTERM or Ctrl-C came before the end; what ran is saved.
    """

    failed: int
    stopped: bool


class Run(NamedTuple):
    """One run of a protocol.

    Attributes:
        variant, seed: which.
        config: its experiment.
        workdir: its folder.
    """

    variant: str
    seed: int
    config: Experiment
    workdir: pathlib.Path

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.variant} seed {self.seed}"


def run_study(
    name: str,
    protocol: Protocol,
    output: pathlib.Path,
    jobs: int = 1,
    say: Callable[[str], None] = print,
    launch: Sequence[str] = (),
) -> Outcome:
    """Trains and evaluates every variant with every seed that is not in the store yet.

    The first SIGTERM or Ctrl-C is handed on to the runs, which save and end.

    Args:
        name: of the protocol.
        protocol: what to run.
        output: the study's folder.
        jobs: runs at a time; where nothing launches them, they share the machine's devices.
        say: tells people.
        launch: what stands before the command of a run, see `Processes`.

    Raises:
        UserError: a set is not there or not as the protocol says; the folder holds results of other
            inputs or settings; another process works there.
        OSError: what launches is not there.
    """
    for one in protocol.sets:
        check_set(one)
    output.mkdir(parents=True, exist_ok=True)
    with held(output / ".lock", busy=f"a study is being run in {output}"):
        runs, store = list(plan(protocol, output)), Store(output)
        inputs = describe_inputs(runs[0].config)
        todo = [run for run in runs if not is_done(run, inputs, store)]
        say(f"{name}: {len(runs)} runs, {len(runs) - len(todo)} done")
        processes, lock, failed = Processes(launch), threading.Lock(), []

        def work(run: Run) -> None:
            seconds = _train(run, processes)
            with lock:
                if seconds is not None:
                    store.add(_result(name, run, inputs, hardware, seconds, store))
                    say(f"{run.name}: done in {seconds:.0f} s")
                elif not processes.stopped:
                    failed.append(run)
                    log = run.workdir / LOG_FILE
                    say(f"{run.name}: FAILED, {log}: {_last_line(log.read_bytes())}")

        with StopSignals(lambda _: processes.stop()):
            hardware = _hardware(processes) if todo else ""
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                try:
                    list(pool.map(work, todo))
                except BaseException:  # a result cannot be kept, or a second Ctrl-C
                    processes.stop()
                    raise
    return Outcome(len(failed), processes.stopped)


def plan(protocol: Protocol, output: pathlib.Path) -> Iterator[Run]:
    """All runs: every variant with the first seed, then with the next; their data is made first.

    Raises:
        UserError: the data cannot be made; a setting is wrong; two variants are the same training.
    """
    for seed in protocol.seeds:
        made: dict[str, str] = {}
        for variant in protocol.trained():
            config = build_data(protocol.experiment(variant, seed))
            same = made.setdefault(configuration_hash(config), variant)
            if same != variant:
                raise UserError(
                    f"protocol: {variant} is the same training as {same} here: leave it out"
                )
            yield Run(variant, seed, config, run_folder(output, variant, seed))


def is_done(run: Run, inputs: Inputs, store: Store) -> bool:
    """Whether the store has the run's result.

    Raises:
        UserError: it has one of other inputs or other settings.
    """
    for result in store.read():
        if different := first_difference(result.inputs, inputs):
            raise UserError(
                f"{store.folder} holds results of other inputs: {different}; bring the old ones "
                "back or choose another --output"
            )
        if (result.variant, result.seed) == (run.variant, run.seed):
            if result.configuration != configuration_hash(run.config):
                raise UserError(
                    f"{store.folder} holds {run.name} of other settings than the protocol's; "
                    "choose another --output"
                )
            return True
    return False


def _train(run: Run, processes: Processes) -> float | None:
    """Seconds of the process; None where it failed or was stopped."""
    run.workdir.mkdir(parents=True, exist_ok=True)
    asked, start = run.workdir / "experiment.json", time.monotonic()
    write_json(run.config.to_mapping(), asked)
    command = [sys.executable, "-c", _TRAIN, f"--config={asked}", f"--workdir={run.workdir}"]
    with (run.workdir / LOG_FILE).open("ab") as log:
        code = processes.run(command, log)
    return None if code else time.monotonic() - start


def _result(
    protocol: str, run: Run, inputs: Inputs, hardware: str, seconds: float, store: Store
) -> Result:
    """What is kept of a finished run."""
    config = json.loads((run.workdir / CONFIG_FILE).read_bytes())
    phases = json.loads((run.workdir / GOODPUT_FILE).read_bytes())["seconds"]
    folder, data = run.workdir / "evaluation", run.config.data
    splits = tuple(dict.fromkeys((data.validation_split, *data.test_splits)))
    return Result(
        protocol=protocol,
        variant=run.variant,
        seed=run.seed,
        configuration=configuration_hash(run.config),
        code=config["computed"]["code"],
        inputs=inputs,
        hardware=hardware,
        seconds={name: round(spent, 1) for name, spent in phases.items()}
        | {"process": round(seconds, 1)},
        scores=tuple(store.score_file(split, folder / f"scores-{split}.csv") for split in splits),
        metrics={
            split: json.loads((folder / f"metrics-{split}.json").read_bytes())["videos"]["overall"]
            for split in splits
        },
        config=config,
    )


def _hardware(processes: Processes) -> str:
    """What the runs see; asked in a process of its own, which gives the devices back."""
    with tempfile.TemporaryFile() as file:
        code = processes.run([sys.executable, "-c", _DEVICES], file)
        file.seek(0)
        said = _last_line(file.read())
    if code and not processes.stopped:
        raise UserError(f"JAX finds no devices: {said}")
    return f"{said}, {os.cpu_count()} x {platform.machine()}"


def _last_line(said: bytes) -> str:
    return said.decode(errors="replace").rstrip().rpartition("\n")[2].strip()
