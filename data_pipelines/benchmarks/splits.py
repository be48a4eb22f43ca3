"""Splits that keep apart what belongs together, decided by names alone."""

import hashlib
from collections.abc import Iterable, Sequence

TRAIN_SHARE, VAL_SHARE = 0.8, 0.1  # what is left is test


def components(groups: Sequence[Iterable[str]]) -> list[str]:
    """For each group of names, the smallest name that it is connected to.

    Two groups are connected if they share a name, directly or through others: clips of one original
    or of one person then end up together. An empty group raises ValueError.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    members = [list(group) for group in groups]
    for names in members:
        roots = {root(name) for name in names}
        smallest = min(roots)
        for other in roots:
            parent[other] = smallest
    return [root(names[0]) for names in members]


def hashed_split(name: str) -> str:
    """`train`, `val` or `test` for a component, by its name: the same on every machine and day."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    if number < TRAIN_SHARE:
        return "train"
    return "val" if number < TRAIN_SHARE + VAL_SHARE else "test"
