"""One host of a toy training: a loop as `training.loop` has it, around an array instead of a model.

Arguments: number of the host, port of the coordinator, folder, and what happens: `differ`, `fail`,
`alone` (host 1 fails and the other does not know), `unshared` (its folder is another), `build` (the
leader makes data for long), `compile` (host 1 is deep in a compiler), or nothing (`run`). Says
`ready` when it works or has saved; ends with 143 when it was stopped.
"""

import hashlib
import os
import pathlib
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp

from cad_jax.parallel import hosts
from cad_jax.parallel.mesh import batch_sharding, make_mesh, replicated
from cad_jax.parallel.stop_signals import STOPPED
from cad_jax.parallel.watch import Stopped, Watch
from cad_jax.run.checkpoint import Checkpoints, Progress, TrainState
from cad_jax.training.preemption import AgreedStop, StopRequest
from data_pipelines.commands.run import run_cli
from data_pipelines.errors import UserError


def forward(x: jax.Array) -> jax.Array:
    return (x + jnp.mean(x)) / 2 + 1  # the mean is one of all hosts


def make_data(folder: pathlib.Path, seconds: float) -> None:
    """The leader makes it, slowly; the other one finds it."""
    if hosts.is_lead():
        print("ready", flush=True)
        time.sleep(seconds)
        (folder / "data").touch()
    elif not (folder / "data").exists():
        raise UserError("began before the leader was done")


def fail() -> None:
    if not hosts.is_lead():
        raise OSError("no such folder")


def run(number: int, port: str, folder: pathlib.Path, what: str) -> int:
    try:
        with Watch(hosts.join(f"127.0.0.1:{port}", 2, number)), hosts.losses_explained():
            return work(number, folder, what)
    except Stopped:
        return STOPPED


def work(number: int, folder: pathlib.Path, what: str) -> int:
    if what == "unshared" and number:
        folder = folder / "elsewhere"
        folder.mkdir()
    hosts.refuse_unshared(folder)
    hosts.refuse_different({"configuration": str(number if what == "differ" else 0)})
    hosts.lead_first(lambda: make_data(folder, 60 if what == "build" else 0.5))
    hosts.together(fail if what == "fail" else lambda: None)
    if what == "alone":
        fail()
    if what == "compile" and number:
        compile_for_long()
    return train(folder)


def compile_for_long() -> None:
    """The main thread is in foreign code that looks at no signal, as in XLA."""
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 300_000_000)


def train(folder: pathlib.Path) -> int:
    mesh = make_mesh(2, 2)
    spread, whole = batch_sharding(mesh), replicated(mesh)
    shardings = TrainState(whole, {"x": spread}, (), {})
    start = jax.jit(
        lambda: TrainState(jnp.int32(0), {"x": jnp.arange(8.0)}, (), {}), out_shardings=shardings
    )
    step = jax.jit(
        lambda s: TrainState(s.step + 1, {"x": forward(s.params["x"])}, (), {}),
        out_shardings=shardings,
    )
    checkpoints, state = Checkpoints(folder), start()
    if latest := checkpoints.latest_step():
        target = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
        )
        state = checkpoints.restore(latest, target)
    return go_on(checkpoints, state, step, AgreedStop(mesh))


def go_on(checkpoints, state, step, agreed) -> int:
    with StopRequest() as stop:
        for number in range(int(state.step) + 1, 4000):
            state = step(state)
            time.sleep(0.005)
            stopping = agreed(bool(stop))
            if stopping or number % 20 == 0:
                checkpoints.save(state, {}, Progress(), None)
                checkpoints.wait()
                print("ready", flush=True)
            if stopping:
                print(f"stopped at {number}", flush=True)
                break
    checkpoints.close()
    return STOPPED


if __name__ == "__main__":
    number, port, folder, what = sys.argv[1:]
    sys.exit(run_cli("error", lambda: run(int(number), port, pathlib.Path(folder), what)))
