"""Finds clips that are nearly the same, without comparing each with each.

Vectors are hashed to bands of bits (signs of random projections); only those that share a band are
compared, and of a crowded band only neighbours: time and memory grow with the number of clips.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int, UInt8

_TABLES, _BITS = 12, 18
_NEIGHBOURS = 24  # compared with each vector in a band
_FLAT = 2.0  # deviation, in levels, below which a vector says nothing
_FEWEST = 2  # vectors that two clips must have in common


def near_pairs(
    vectors: Sequence[UInt8[np.ndarray, "_ d"]], sides: Sequence[str], share: float, same: float
) -> list[tuple[int, int]]:
    """Pairs of clips on different sides with a share of their vectors, at least two, in common.

    Args:
        vectors: of each clip, none or more; of one length.
        sides: of each clip.
        share: of the vectors of the clip that has fewer.
        same: correlation of two vectors, after the mean of all is taken out, that makes them one.

    Returns:
        Positions of the clips, the lower first, sorted.
    """
    owner = np.repeat(np.arange(len(vectors)), [len(rows) for rows in vectors])
    if not len(owner):
        return []
    unit, telling = _whitened(np.concatenate([rows for rows in vectors if len(rows)]))
    owner, unit = owner[telling], unit[telling]
    side = np.unique(np.array(sides), return_inverse=True)[1][owner]
    rng = np.random.default_rng(0)
    matches = [np.zeros((0, 3), np.int64)]
    for _ in range(_TABLES if len(unit) else 0):
        planes = rng.standard_normal((unit.shape[1], _BITS)).astype(np.float32)
        keys = (unit @ planes > 0) @ (1 << np.arange(_BITS))
        matches.append(_matches(keys, unit, owner, side, same))
    once = np.unique(np.concatenate(matches), axis=0)
    pairs, common = np.unique(once[:, :2], axis=0, return_counts=True)
    count = np.bincount(owner, minlength=len(vectors))
    enough = common >= np.maximum(_FEWEST, share * count[pairs].min(axis=1))
    return [(int(one), int(two)) for one, two in pairs[enough]]


def _matches(
    keys: Int[np.ndarray, " n"],
    unit: Float32[np.ndarray, "n d"],
    owner: Int[np.ndarray, " n"],
    side: Int[np.ndarray, " n"],
    same: float,
) -> Int[np.ndarray, "m 3"]:
    """Like vectors on different sides that share a key: both owners, and the first one's vector."""
    order = np.argsort(keys, kind="stable")
    found = [np.zeros((0, 3), np.int64)]
    for step in range(1, _NEIGHBOURS + 1):
        one, two = order[:-step], order[step:]
        together = keys[one] == keys[two]
        if not together.any():
            break
        together &= side[one] != side[two]
        one, two = one[together], two[together]
        like = np.einsum("nd,nd->n", unit[one], unit[two]) > same
        low, high = np.minimum(one, two)[like], np.maximum(one, two)[like]
        found.append(np.stack([owner[low], owner[high], low], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _whitened(
    rows: UInt8[np.ndarray, "n d"],
) -> tuple[Float32[np.ndarray, "n d"], np.ndarray]:
    """Unit vectors without what all have in common (all faces look alike), and which have any."""
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    spread = values.std(axis=1)
    values /= np.maximum(spread, _FLAT)[:, None]
    values -= values.mean(axis=0)
    length = np.linalg.norm(values, axis=1)
    return values / np.maximum(length, 1e-6)[:, None], (spread > _FLAT) & (length > 1e-3)
