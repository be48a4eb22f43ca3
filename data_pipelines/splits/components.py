"""What belongs together: names that clips share, directly or through others.

Decided by names alone: the same on every machine, whatever the order of the clips.
"""

import collections
import hashlib
from collections.abc import Iterable, Sequence

from data_pipelines.benchmarks.base import ClipSource

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


def bonds(source: ClipSource) -> list[str]:
    """Everything that ties a clip to others: its identities and its original; else itself."""
    names = [f"identity {name}" for name in source.source_ids]
    names += [f"pair {source.pair_id}"] if source.pair_id else []
    return names or [f"path {source.key}"]


def subject(source: ClipSource) -> str:
    """Whose clip it is: the first identity (the target), else its original, else itself."""
    return bonds(source)[0]


def people(sources: Sequence[ClipSource]) -> list[frozenset[str]]:
    """By clip, all subjects it must not be parted from: its identities and its original's.

    An original belongs to the subject that most of its clips have.
    """
    owners: dict[str, collections.Counter[str]] = {}
    for source in sources:
        owners.setdefault(source.pair_id, collections.Counter())[subject(source)] += 1
    owner = {
        pair: min(count, key=lambda name: (-count[name], name)) for pair, count in owners.items()
    }
    return [
        frozenset(
            [f"identity {name}" for name in source.source_ids]
            + [owner[source.pair_id] if source.pair_id else subject(source)]
        )
        for source in sources
    ]
