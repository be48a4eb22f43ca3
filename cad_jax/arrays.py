"""Named arrays compared: why saved ones are not the wanted ones, and a hash of their content."""

import hashlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils

Shape = tuple[int, ...]


def shape_faults(have: Mapping[str, Shape], want: Mapping[str, Shape]) -> dict[str, str]:
    """What keeps saved arrays from being the wanted ones, by name."""
    faults = {name: f"missing {name}" for name in want if name not in have}
    faults |= {name: f"unexpected {name}" for name in have if name not in want}
    return faults | {
        name: f"{name} is {have[name]}, not {want[name]}"
        for name in want
        if name in have and have[name] != want[name]
    }


def listed(faults: Sequence[str]) -> str:
    """The first five, and how many more."""
    more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more


def content_hash(arrays: Mapping[str, np.ndarray | jax.Array]) -> str:
    """sha256 of names, shapes, dtypes and bytes, in the order of the names.

    Every process must call it: arrays that are spread over several are gathered, one at a time.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = _whole(arrays[name])
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _whole(array: np.ndarray | jax.Array) -> np.ndarray:
    if isinstance(array, jax.Array) and not (
        array.is_fully_addressable or array.is_fully_replicated
    ):
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)
