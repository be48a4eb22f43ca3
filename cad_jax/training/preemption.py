"""Turns SIGTERM and SIGINT on any host into a stop of all hosts at the same step, to save there."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cad_jax.parallel import watch
from cad_jax.parallel.mesh import batch_sharding, replicated
from cad_jax.parallel.stop_signals import StopSignals

# Steps between asking all hosts and reading the answer. It is there by then, so nobody waits, and
# two steps under way keep a device busy.
LAG = 2


class StopRequest(StopSignals):
    """Context in which the first SIGTERM or Ctrl-C asks the loop to save and stop.

    Attributes:
        signal_name: `SIGTERM`, `SIGINT`, or empty while nobody asked.
    """

    def __init__(self) -> None:
        super().__init__(self._note)
        self.signal_name = ""

    def __bool__(self) -> bool:
        return bool(self.signal_name)

    def _note(self, name: str) -> None:
        self.signal_name = name


class StopAgreed(Exception):
    """All hosts stop here, in the midst of what can be done anew."""


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
        return self._answer(wanted, 0 if last else LAG)

    def now(self, wanted: bool) -> bool:
        """Asks and answers at once: between pieces of work that are waited for anyway."""
        return self._answer(wanted, 0)

    def _answer(self, wanted: bool, lag: int) -> bool:
        answers = [wanted]
        if jax.process_count() > 1:
            mine = np.full(jax.local_device_count(), wanted)
            flags = jax.make_array_from_process_local_data(self._sharding, mine)
            self._asked.append(self._any(flags))
            answers = []
            while len(self._asked) > lag:
                answers.append(bool(self._asked.popleft()))
        if stops := any(answers):
            watch.hold()
        return stops
