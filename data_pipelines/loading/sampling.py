"""Which clip is trained on when: strata of clips, their shares, and the order of rows.

Owns mixture weights, balance and shuffling. A row's clip is a function of (seed, row number), found
without a state: hosts, workers and resumed runs agree on it. Reads labels and methods, never media.
"""

import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, SupportsIndex, cast

import grain
import numpy as np
from jaxtyping import Int, Int32

from data_pipelines.errors import UserError
from data_pipelines.loading.settings import Balance
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.clip import FAKE, REAL, UNKNOWN

# Purposes of seeds: the depths in the pipeline from which Grain would derive the same ones.
SHUFFLE, ROWS, KINDS, DRAWS = 1, 3, 4, 5
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
    clips: Int32[np.ndarray, " k"] | range


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
        return (Stratum(0, "all", 1.0, np.arange(len(source), dtype=np.int32)),)
    sizes = np.bincount(source.sets, minlength=len(weights))
    if weights and (len(weights) != len(sizes) or not sizes.all()):
        raise UserError(f"{len(weights)} mixture weights for sets of {sizes.tolist()} clips")
    of_sets = np.array(weights or sizes, np.float64)
    of_sets /= of_sets.sum()
    kinds, numbers = _kinds(source, balance)
    return tuple(
        Stratum(number, kind.name, float(share * of_sets[number]), of_kinds[kind])
        for number, size in enumerate(sizes)
        if size  # a subset may hold nothing of a set
        for of_kinds in [_of_kinds(np.flatnonzero(source.sets == number), numbers, kinds)]
        for kind, share in _kind_shares(of_kinds).items()
    )


def divided(strata: Sequence[Stratum], numbers: Int32[np.ndarray, " n"]) -> tuple[Stratum, ...]:
    """The strata divided by what `numbers` tells apart, by position; shares by their sizes.

    Every clip is trained on as often as before, and clips of one number as evenly as those of one
    stratum.
    """
    return tuple(
        stratum._replace(share=stratum.share * len(clips) / len(stratum.clips), clips=clips)
        for stratum in strata
        for _, clips in _by_number(stratum.clips, numbers)
    )


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
        parts = [round(stratum.share * _PARTS) for stratum in strata]
        self._left = [sum(parts[number:]) for number in range(len(parts) + 1)]
        self.shares = [stratum.share for stratum in strata]
        self._sizes = [(round(stratum.share, 6), len(stratum.clips)) for stratum in strata]
        self._clips = [compact(_enough(np.asarray(stratum.clips))) for stratum in strata]
        self._shuffles = [
            grain.MapDataset.range(len(clips)).shuffle(derived_seed(seed, SHUFFLE, number))
            for number, clips in enumerate(self._clips)
        ]

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index: SupportsIndex) -> int:
        return self.find(index)[0]

    def find(self, index: SupportsIndex) -> tuple[int, int, int]:
        """A row's position in the source, its stratum, and how many earlier rows are from that."""
        number, turn = self._turn(operator.index(index))
        place = cast(int, self._shuffles[number][turn])
        return int(self._clips[number][place]), number, turn

    def __repr__(self) -> str:
        return f"TrainingOrder({self._sizes})"

    def _turn(self, row: int) -> tuple[int, int]:
        """The stratum a row is from, and how many earlier rows are from it.

        Of the first n rows, floor(n * share of the others) go to the other strata, which divide
        them among themselves in the same way. The stratum whose count grows at this row has it.
        """
        before, after = row, row + 1
        for number in range(len(self._sizes)):
            left, others = self._left[number : number + 2]
            others_before, others_after = before * others // left, after * others // left
            if others_before == others_after:
                return number, before - others_before
            before, after = others_before, others_after
        raise AssertionError("the last stratum has no others")


def derived_seed(seed: int, *purpose: int) -> int:
    """A 32-bit seed for one purpose out of the experiment's."""
    return int(np.random.SeedSequence([seed, *purpose]).generate_state(1, np.uint32)[0])


def _enough(clips: Int[np.ndarray, " k"]) -> Int[np.ndarray, " l"]:
    return np.tile(clips, -(-_FEW // len(clips))) if len(clips) < _FEW else clips


def compact(clips: Int[np.ndarray, " k"] | range) -> Int[np.ndarray, " k"] | range:
    """Positions that follow one another, as those of a whole set, as two numbers."""
    if isinstance(clips, range):
        return clips
    whole = range(int(clips[0]), int(clips[0]) + len(clips))
    return whole if np.array_equal(clips, whole) else clips


class _Kind(NamedTuple):
    """What balance tells apart."""

    label: int
    name: str


def _kinds(source: TFRecordSource, balance: Balance) -> tuple[list[_Kind], np.ndarray]:
    """The kinds there are, sorted, and by position the number of the clip's."""
    if balance == "none":
        return [_Kind(UNKNOWN, "all")], np.zeros(len(source), np.int32)
    labels = source.column("label")
    if balance == "class":
        known = [_Kind(label, _NAMES[label]) for label in (UNKNOWN, REAL, FAKE)]
        return known, labels.astype(np.int32) - UNKNOWN
    videos, video_names = source.coded("method_video")
    audios, audio_names = source.coded("method_audio")
    ways, numbers = np.unique(videos * len(audio_names) + audios, return_inverse=True)
    forged = [
        _Kind(FAKE, f"forged, {video_names[video] or '-'} / {audio_names[audio] or '-'}")
        for video, audio in (divmod(int(way), len(audio_names)) for way in ways)
    ]
    known = [_Kind(label, _NAMES[label]) for label in (UNKNOWN, REAL)]
    numbers = np.where(labels == FAKE, numbers + len(known), labels - UNKNOWN)
    return known + forged, numbers


def _of_kinds(
    clips: Int[np.ndarray, " n"], numbers: np.ndarray, kinds: Sequence[_Kind]
) -> dict[_Kind, Int32[np.ndarray, " _"]]:
    """The clips of each kind among those at some positions."""
    return {kinds[number]: of_kind for number, of_kind in _by_number(clips, numbers)}


def _by_number(
    clips: Int[np.ndarray, " k"] | range, numbers: Int[np.ndarray, " n"]
) -> list[tuple[int, Int32[np.ndarray, " _"]]]:
    """The clips of each number among those at some positions, in their order."""
    clips = np.asarray(clips, np.int32)
    clips = clips[np.argsort(numbers[clips], kind="stable")]
    found, starts = np.unique(numbers[clips], return_index=True)
    return list(zip(found.tolist(), np.split(clips, starts[1:]), strict=True))


def _kind_shares(clips: Mapping[_Kind, Int32[np.ndarray, " _"]]) -> dict[_Kind, float]:
    """The share of each kind among the rows of its set, in the kinds' order."""
    total = sum(map(len, clips.values()))
    unknown = sum(len(some) for kind, some in clips.items() if kind.label == UNKNOWN) / total
    kinds_of = Counter(kind.label for kind in clips)  # label -> how many kinds have it
    known = (1 - unknown) / max(1, len(kinds_of.keys() - {UNKNOWN}))
    return {
        kind: unknown if kind.label == UNKNOWN else known / kinds_of[kind.label]
        for kind in sorted(clips)
    }
