"""Sides that no identity shares, at the price of as few clips as can be found.

Whole components go to one side where their sizes allow. Where a giant one forbids it, its
identities are dealt out instead and the clips that would touch two sides are dropped: a minimum cut
with sizes to keep, for which there is no exact method in reasonable time; greedy growth and local
search from several starts.
"""

import collections
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.splits.components import components, people

_STARTS = 6
_PASSES = 12  # over all names, of one local search; it ends earlier as a rule
_LEAST, _MOST = 0.5, 2.0  # a side may have this much of what it should, of every kind of clip
_BREACH = 100.0  # clips one would drop to bring a side one clip nearer to that
_UNEVENNESS = 0.01  # likewise within it: only decides between equals


class Separation(NamedTuple):
    """Who goes where.

    Attributes:
        sides: key -> side.
        crossing: key -> the sides that its people are on, for the clips that must be dropped.
        even: every side holds between half and twice its share of every kind of clip.
    """

    sides: dict[str, str]
    crossing: dict[str, str]
    even: bool


def separate(
    sources: Sequence[ClipSource], shares: Mapping[str, float], seed: int, *, drop: bool
) -> Separation:
    """Deals clips to sides so that nobody, as target, donor or voice, is on two of them.

    Args:
        sources: the clips; their order does not matter.
        shares: side -> its share of the clips of each kind (by labels), the largest first.
        seed: another one gives another division of about equal worth.
        drop: may components be torn, and the clips between the sides be dropped?
    """
    sources = sorted(sources, key=lambda source: source.key)
    names = people(sources)
    kinds = [(source.label_video, source.label_audio, source.label_sync) for source in sources]
    whole = [frozenset([component]) for component in components([sorted(name) for name in names])]
    search = _Search(whole, kinds, list(shares.values()))
    search.deal(random.Random(seed))
    search.improve(random.Random(seed))
    members = whole
    if drop and search.breaches():
        members = names
        search = _best_torn(names, kinds, list(shares.values()), whole, seed)
    sides, crossing = {}, {}
    labels = list(shares)
    for source, name in zip(sources, members, strict=True):
        touched = sorted({search.side[person] for person in name})
        if len(touched) == 1:
            sides[source.key] = labels[touched[0]]
        else:
            crossing[source.key] = " and ".join(labels[side] for side in touched)
    return Separation(sides, crossing, not search.breaches())


def _best_torn(
    names: Sequence[frozenset[str]],
    kinds: Sequence[tuple[int, int, int]],
    shares: Sequence[float],
    whole: Sequence[frozenset[str]],
    seed: int,
) -> "_Search":
    component = {
        name: min(place) for group, place in zip(names, whole, strict=True) for name in group
    }
    best: _Search | None = None
    for start in range(_STARTS):
        search = _Search(names, kinds, shares)
        rng = random.Random(f"{seed} {start}")
        search.grow(component, rng)
        search.improve(rng)
        if best is None or search.cost() < best.cost():
            best = search
    assert best is not None
    return best


class _Search:
    """Names on sides; a clip is kept where all its names are on one.

    Attributes:
        side: name -> number of its side.
    """

    def __init__(
        self,
        clips: Sequence[frozenset[str]],
        kinds: Sequence[tuple[int, int, int]],
        shares: Sequence[float],
    ) -> None:
        numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
        counts = collections.Counter(zip(clips, (numbers[kind] for kind in kinds), strict=True))
        # By name, its clips as (the other names in them, kind, how many).
        self._of: dict[str, list[tuple[tuple[str, ...], int, int]]] = {}
        for names, kind in sorted(counts, key=lambda key: (sorted(key[0]), key[1])):
            for name in sorted(names):
                others = tuple(sorted(names - {name}))
                self._of.setdefault(name, []).append((others, kind, counts[names, kind]))
        self._weight = {name: sum(c for _, _, c in own) for name, own in self._of.items()}
        self._shares = np.array(shares)[:, None]
        self._total = len(clips)
        self._kept = np.zeros((len(shares), len(numbers)))
        self._kept[0] = np.bincount([numbers[kind] for kind in kinds], minlength=len(numbers))
        self.side = dict.fromkeys(sorted(self._of), 0)

    def deal(self, rng: random.Random) -> None:
        """The largest first, each to where it evens the sides most."""
        self._deal(self._shuffled(rng))

    def grow(self, component: Mapping[str, str], rng: random.Random) -> None:
        """In large components, sides grow from a random name along its bonds; the rest is dealt."""
        weight: collections.Counter[str] = collections.Counter()
        for name, place in component.items():
            weight[place] += self._weight[name]
        large = {c for c in weight if weight[c] > self._total * float(self._shares.min()) / 2}
        for side in range(1, len(self._shares)):
            for place in sorted(large):
                own = [name for name in self._shuffled(rng) if component[name] == place]
                self._grow_side(side, own)
        self._deal([name for name in self._shuffled(rng) if component[name] not in large])

    def improve(self, rng: random.Random) -> None:
        """Moves names as long as that helps."""
        for _ in range(_PASSES):
            moves = [self._move_to_best(name) for name in self._shuffled(rng)]
            if not any(moves):
                return

    def cost(self) -> float:
        """Clips dropped, and what the sides' sizes are worth in such."""
        return self._cost(self._kept)

    def breaches(self) -> bool:
        """Does a side have too little or too much of a kind?"""
        return _breach(self._kept, self._wished(self._kept)) > 0

    def _deal(self, names: list[str]) -> None:
        for name in sorted(names, key=lambda name: -self._weight[name]):
            self._move_to_best(name)

    def _grow_side(self, side: int, names: list[str]) -> None:
        """Adds the names that belong there most until it has three quarters of what it should."""
        belonging = {name: self._belonging(name, side) for name in names if self.side[name] == 0}
        share, before = self._shares[side, 0], self._kept.sum(axis=1)
        while belonging:
            grown = self._kept.sum(axis=1) - before
            if grown[side] >= (1 + _LEAST) / 2 * share * (before[0] + grown.sum()):
                return
            name = max(belonging, key=belonging.__getitem__)
            del belonging[name]
            self._move(name, side)
            near = {other for others, _, _ in self._of[name] for other in others}
            belonging |= {other: self._belonging(other, side) for other in near & belonging.keys()}

    def _belonging(self, name: str, side: int) -> float:
        """The share of a name's clips that would be kept on a side or come nearer to it."""
        joined = 0.0
        for others, _, count in self._of[name]:
            there = sum(self.side[other] == side for other in others)
            if there or not others:
                joined += count * (there + 1) / (len(others) + 1)
        return joined / self._weight[name]

    def _move_to_best(self, name: str) -> bool:
        """Moves a name to where the cost is least; on a tie it stays."""
        home, follows = self.side[name], self._followers(name)
        best, least = home, self.cost() - 1e-9
        for side in range(len(self._shares)):
            if side != home:
                kept = self._kept.copy()
                kept[home] -= follows[home]
                kept[side] += follows[side]
                if (cost := self._cost(kept)) < least:
                    best, least = side, cost
        if best != home:
            self._move(name, best)
        return best != home

    def _move(self, name: str, side: int) -> None:
        follows, home = self._followers(name), self.side[name]
        self._kept[home] -= follows[home]
        self._kept[side] += follows[side]
        self.side[name] = side

    def _followers(self, name: str) -> Float[np.ndarray, "s k"]:
        """Of each kind, the clips that are kept on a side if the name is there."""
        follows = [[0] * self._kept.shape[1] for _ in self._kept]
        for others, kind, count in self._of[name]:
            if not others:
                for row in follows:
                    row[kind] += count
            elif len(others) == 1 or len({self.side[other] for other in others}) == 1:
                follows[self.side[others[0]]][kind] += count
        return np.array(follows, np.float64)

    def _shuffled(self, rng: random.Random) -> list[str]:
        return rng.sample(list(self.side), len(self.side))

    def _wished(self, kept: np.ndarray) -> Float[np.ndarray, "s k"]:
        return self._shares * kept.sum(axis=0)

    def _cost(self, kept: np.ndarray) -> float:
        wished = self._wished(kept)
        uneven = float(np.abs(kept - wished).sum())
        dropped = self._total - float(kept.sum())
        return dropped + _BREACH * _breach(kept, wished) + _UNEVENNESS * uneven


def _breach(kept: np.ndarray, wished: np.ndarray) -> float:
    """By how many clips sides have too few or too many."""
    low, high = np.floor(_LEAST * wished), np.ceil(_MOST * wished)
    return float(np.maximum(low - kept, 0).sum() + np.maximum(kept - high, 0).sum())
