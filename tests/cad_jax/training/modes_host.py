"""One host that does what the modes of `train.py` do, one after the other, as one process.

Arguments: number of the host, of how many, port of the coordinator, and a file of what to do:
modes, each with an experiment and a work folder. `dies_at` is a step at which the last host is
killed, as if its machine was.
"""

import json
import os
import pathlib
import signal
import sys

from cad_jax.commands.modes import MODES
from cad_jax.parallel import hosts
from cad_jax.parallel.stop_signals import STOPPED
from cad_jax.parallel.watch import Stopped, Watch
from cad_jax.settings.experiment import Experiment
from cad_jax.training.preemption import AgreedStop
from data_pipelines.commands.run import run_cli


def die_at(step: int) -> None:
    """At the so-many-th step of the training, as the loop asks whether it stops."""
    ask, asked = AgreedStop.__call__, iter(range(1, step + 1))

    def ask_or_die(agreed, wanted, *, last=False):
        if next(asked) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return ask(agreed, wanted, last=last)

    AgreedStop.__call__ = ask_or_die


def run(number: int, count: int, port: str, todo: dict) -> int:
    if number == count - 1 and todo.get("dies_at"):
        die_at(todo["dies_at"])
    try:
        with Watch(hosts.join(f"127.0.0.1:{port}", count, number)), hosts.losses_explained():
            for mode, experiment, workdir in todo["tasks"]:
                MODES[mode](Experiment.from_mapping(experiment), pathlib.Path(workdir))
    except Stopped:
        return STOPPED
    return 0


if __name__ == "__main__":
    number, count, port, file = sys.argv[1:]
    todo = json.loads(pathlib.Path(file).read_text())
    sys.exit(run_cli("error", lambda: run(int(number), int(count), port, todo)))
