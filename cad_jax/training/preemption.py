"""Turns SIGTERM and SIGINT on any host into a stop of all hosts at the same step, to save there."""

import collections
import signal
import types

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cad_jax.parallel.mesh import batch_sharding, replicated

# Steps between asking all hosts and reading the answer. It is there by then, so nobody waits, and
# two steps under way keep a device busy.
LAG = 2


class StopRequest:
    """Context in which the first SIGTERM or Ctrl-C asks the loop to save and stop.

    A second one ends the process at once, as usual. Outside the main thread nothing is changed.

    Attributes:
        signal_name: `SIGTERM`, `SIGINT`, or empty while nobody asked.
    """

    def __init__(self) -> None:
        self.signal_name = ""
        self._previous: dict[int, signal._HANDLER] = {}

    def __bool__(self) -> bool:
        return bool(self.signal_name)

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: signals cannot reach us there
                break
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


class AgreedStop:
    """Whether any host wants to stop, answered alike on all hosts at the same step.

    Hosts run at their own pace, so one that stopped when it was asked would wait for ever in a
    collective save. Instead each step reduces a flag over all devices, behind the step's own work;
    its value is read `LAG` steps later.

    Args:
        mesh: of all hosts' devices.
    """

    def __init__(self, mesh: Mesh):
        self._sharding = batch_sharding(mesh)
        self._any = jax.jit(jnp.any, out_shardings=replicated(mesh))
        self._asked: collections.deque[jax.Array] = collections.deque()

    def __call__(self, wanted: bool, *, last: bool = False) -> bool:
        """Asks and answers for one step; every host calls it at every step.

        Args:
            wanted: whether this host was asked to stop.
            last: no step follows, so that every answer still under way is read.
        """
        if jax.process_count() == 1:
            return wanted
        mine = np.full(jax.local_device_count(), wanted)
        flags = jax.make_array_from_process_local_data(self._sharding, mine)
        self._asked.append(self._any(flags))
        answers = []
        while len(self._asked) > (0 if last else LAG):
            answers.append(bool(self._asked.popleft()))
        return any(answers)
