"""Which clip is trained on when: strata of clips, their shares, and the order of rows.

Owns mixture weights, balance and shuffling. A row's clip is a function of (seed, row number), found
without a state: hosts, workers and resumed runs agree on it. Reads labels and methods, never media.
"""

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, SupportsIndex

import grain
import numpy as np
from jaxtyping import Float64, Int64

from data_pipelines.errors import UserError
from data_pipelines.loading.settings import Balance
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.clip import FAKE, REAL, UNKNOWN
from data_pipelines.records.schema import ClipSummary

# Purposes of seeds: the depths in the pipeline from which Grain would derive the same ones.
SHUFFLE, ROWS = 1, 3
_PARTS = 2**40  # of a whole, to which shares are rounded: integers count rows exactly
_ENDLESS = 2**62
_FEW = 32  # Grain finds places by search among 2**16 and takes 10 ms a row for a few clips
_NAMES = {REAL: "genuine", FAKE: "forged", UNKNOWN: "unlabelled"}


class Stratum(NamedTuple):
    """Clips that are trained on equally often.

    Attributes:
        set_number: which of the source's sets they are from.
        kind: what they have in common, e.g. `genuine` or `forged, swap / mel`.
        share: of all rows, within (0, 1].
        clips: their positions in the source.
    """

    set_number: int
    kind: str
    share: float
    clips: Int64[np.ndarray, " k"]


def make_strata(
    source: TFRecordSource, weights: Sequence[float] = (), balance: Balance = "none"
) -> tuple[Stratum, ...]:
    """Divides the clips into strata; the shares are those of the mixture, then of the balance.

    Balance works within each set: could the class be guessed from the set, it would be. Clips of
    unknown label keep their natural share. Of the others, genuine and forged ones get half each,
    or one of them all where the other is missing.

    Args:
        source: the clips.
        weights: one for each of the source's sets, in any unit; empty for their sizes.
        balance: `none`; `class`, genuine and forged equally often; `method`, within the forged also
            each pair of methods (of picture, of sound) equally often.

    Returns:
        The strata; a single one of everything without weights and balance.

    Raises:
        UserError: not one weight a set, or a weighted set without clips.
    """
    if not weights and balance == "none":
        return (Stratum(0, "all", 1.0, np.arange(len(source))),)
    sizes = np.bincount(source.sets, minlength=len(weights))
    if weights and (len(weights) != len(sizes) or not sizes.all()):
        raise UserError(f"{len(weights)} mixture weights for sets of {sizes.tolist()} clips")
    of_sets = np.array(weights or sizes, np.float64)
    of_sets /= of_sets.sum()
    clips: list[dict[_Kind, list[int]]] = [{} for _ in of_sets]
    for position, (number, clip) in enumerate(zip(source.sets, source.summaries, strict=True)):
        clips[number].setdefault(_kind(clip, balance), []).append(position)
    return tuple(
        Stratum(number, kind.name, float(share * of_sets[number]), np.array(of_kinds[kind]))
        for number, of_kinds in enumerate(clips)
        if of_kinds  # a subset may hold nothing of a set
        for kind, share in _kind_shares(of_kinds).items()
    )


def clip_weights(strata: Sequence[Stratum]) -> Float64[np.ndarray, " n"]:
    """By position in the source, how often a clip is trained on, relative to the mean of all."""
    count = sum(len(stratum.clips) for stratum in strata)
    weights = np.zeros(count)
    for stratum in strata:
        weights[stratum.clips] = stratum.share * count / len(stratum.clips)
    return weights


class TrainingOrder:
    """Row number -> position in the source; an endless Grain `RandomAccessDataSource`.

    Among the first n rows of any number, a stratum has its share of n to within a few rows. Its own
    clips come in permutations, another in every epoch of the stratum; where they are few, in
    permutations of several copies.

    Args:
        strata: of the source.
        seed: decides the permutations. Which stratum a row is from depends on the shares alone.
    """

    def __init__(self, strata: Sequence[Stratum], seed: int) -> None:
        self._strata = tuple(strata)
        parts = [round(stratum.share * _PARTS) for stratum in strata]
        self._left = [sum(parts[number:]) for number in range(len(parts) + 1)]
        self._clips = [_enough(stratum.clips) for stratum in strata]
        self._shuffles = [
            grain.MapDataset.range(len(clips)).shuffle(derived_seed(seed, SHUFFLE, number))
            for number, clips in enumerate(self._clips)
        ]

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index: SupportsIndex) -> int:
        number, turn = self._turn(operator.index(index))
        return int(self._clips[number][self._shuffles[number][turn]])

    def __repr__(self) -> str:
        sizes = [(round(stratum.share, 6), len(stratum.clips)) for stratum in self._strata]
        return f"TrainingOrder({sizes})"

    def _turn(self, row: int) -> tuple[int, int]:
        """The stratum a row is from, and how many earlier rows are from it.

        Of the first n rows, floor(n * share of the others) go to the other strata, which divide
        them among themselves in the same way. The stratum whose count grows at this row has it.
        """
        before, after = row, row + 1
        for number in range(len(self._strata)):
            left, others = self._left[number : number + 2]
            others_before, others_after = before * others // left, after * others // left
            if others_before == others_after:
                return number, before - others_before
            before, after = others_before, others_after
        raise AssertionError("the last stratum has no others")


def derived_seed(seed: int, *purpose: int) -> int:
    """A 32-bit seed for one purpose out of the experiment's."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint32)[0])


def _enough(clips: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " l"]:
    return np.tile(clips, -(-_FEW // len(clips))) if len(clips) < _FEW else clips


class _Kind(NamedTuple):
    """What balance tells apart."""

    label: int
    name: str


def _kind(clip: ClipSummary, balance: Balance) -> _Kind:
    if balance == "none":
        return _Kind(UNKNOWN, "all")
    if balance == "method" and clip.label == FAKE:
        return _Kind(FAKE, f"forged, {clip.method_video or '-'} / {clip.method_audio or '-'}")
    return _Kind(clip.label, _NAMES[clip.label])


def _kind_shares(clips: Mapping[_Kind, Sequence[int]]) -> dict[_Kind, float]:
    """The share of each kind among the rows of its set, in the kinds' order."""
    total = sum(map(len, clips.values()))
    unknown = sum(len(some) for kind, some in clips.items() if kind.label == UNKNOWN) / total
    kinds_of = Counter(kind.label for kind in clips)  # label -> how many kinds have it
    known = (1 - unknown) / max(1, len(kinds_of.keys() - {UNKNOWN}))
    return {
        kind: unknown if kind.label == UNKNOWN else known / kinds_of[kind.label]
        for kind in sorted(clips)
    }
