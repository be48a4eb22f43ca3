"""The processes of one run: who leads them, and what all of them take from the leader.

Every function that agrees on something must be called by every process, in the same order.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils


def is_lead() -> bool:
    """Whether this process writes, hashes and prints for all."""
    return jax.process_index() == 0


def agree(value: int) -> int:
    """The leader's value, on every process; what the others give is ignored."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))
