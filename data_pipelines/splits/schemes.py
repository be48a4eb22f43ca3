"""The ways to divide a data set's clips, by name; adding one is adding its line to `SCHEMES`.

Owns what each scheme promises. All are functions of the clips' names, labels and a seed: neither
the order of the clips nor what lies on disk matters.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from data_pipelines.benchmarks.base import SPLITS, ClipSource
from data_pipelines.errors import UserError, nearest
from data_pipelines.splits.components import (
    TRAIN_SHARE,
    VAL_SHARE,
    bonds,
    components,
    hashed_split,
    subject,
)
from data_pipelines.splits.disjoint import separate

Shares = tuple[float, float, float]

# Of the sources, as in the lists that AVH-Align published for FakeAVCeleb.
SOURCE_DISJOINT_SHARES: Shares = (0.62, 0.07, 0.31)
DISJOINT_SHARES: Shares = (TRAIN_SHARE, VAL_SHARE, 1 - TRAIN_SHARE - VAL_SHARE)
SIDE_OF_RACE = {
    "Asian (South)": "train",
    "Asian (East)": "train",
    "Caucasian (American)": "train",
    "African": "val",
    "Caucasian (European)": "test",
}
CARVED_SHARE = 0.1  # of the training clips, for validation where a set has none


@dataclasses.dataclass(frozen=True)
class SplitOptions:
    """What may be chosen; each scheme takes what it knows.

    Attributes:
        seed: of `source_disjoint`, `kfold`, `disjoint` and a carved validation.
        shares: train, val and test of `source_disjoint` and `disjoint`; None for their own.
        fold, folds: `kfold` tests on `fold`, counted from 0, and validates on the next.
        by: what `kfold` keeps together: all clips of a first identity, or whole components.
        leave_out: of any scheme: a way of forging, or a part of its name (`wav2lip` is in
            `faceswap-wav2lip`), that is only tested on; empty for none.
    """

    seed: int = 0
    shares: Shares | None = None
    fold: int = 0
    folds: int = 5
    by: Literal["identity", "component"] = "identity"
    leave_out: str = ""

    def __post_init__(self) -> None:
        if self.folds < 3 or not 0 <= self.fold < self.folds:
            raise UserError(
                f"fold {self.fold} of {self.folds}: there must be at least 3 folds, counted from 0"
            )
        if self.shares and (min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6):
            raise UserError(f"shares {self.shares}: three positive numbers that add up to 1")


class Assignment(NamedTuple):
    """What a scheme decided.

    Attributes:
        sides: key -> `train`, `val` or `test`.
        dropped: key -> why the clip is on no side.
        parameters: the options that mattered.
        notes: what a user should know, one line each.
    """

    sides: dict[str, str]
    dropped: dict[str, str]
    parameters: dict[str, Any]
    notes: tuple[str, ...] = ()


Scheme = Callable[[Sequence[ClipSource], SplitOptions], Assignment]


def official(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """As the data set says. Where it has no validation, a tenth of the training clips becomes it.

    Validation is carved by component; where that is impossible, by first identity.

    Raises:
        UserError: a clip has no official split.
    """
    unsplit = [source.key for source in sources if not source.split]
    if unsplit:
        raise UserError(
            f"{len(unsplit)} of {len(sources)} clips have no official split, e.g. {unsplit[0]!r}; "
            f"choose another scheme: {', '.join(SCHEMES)}"
        )
    sides = {source.key: source.split for source in sources}
    if set(sides.values()) != {"train", "test"}:
        return Assignment(sides, {}, {})
    train = [source for source in sources if source.split == "train"]
    shares = {"train": 1 - CARVED_SHARE, "val": CARVED_SHARE}
    carved = separate(train, shares, options.seed, drop=False)
    carved_sides, how = carved.sides, "nobody in it is trained on"
    if not carved.even:
        carved_sides = _deal(train, [subject(s) for s in train], shares, options.seed, _one)
        how = "by first identity: face donors and voices in it may be trained on, too connected"
    number = sum(side == "val" for side in carved_sides.values())
    note = f"no official validation: {number} of {len(train)} training clips became it ({how})"
    return Assignment(sides | carved_sides, {}, {"seed": options.seed}, (note,))


def hashed(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """80/10/10 by the hash of a component's name; stated splits are kept and followed.

    Clips that share an identity or an original stay together, and new clips move no old ones.
    """
    names = components([bonds(source) for source in sources])
    stated: dict[str, str] = {}
    for name, source in zip(names, sources, strict=True):
        if source.split:
            stated.setdefault(name, source.split)
    sides = {
        source.key: source.split or stated.get(name) or hashed_split(name)
        for name, source in zip(names, sources, strict=True)
    }
    return Assignment(sides, {}, {})


def source_disjoint(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """62/7/31 % of the first identities: FakeAVCeleb's customary rule, from its definition.

    Spread evenly over the `race` and `gender` that the data set tells. Face donors and voices are
    free to be on several sides: a leak, kept for the sake of comparison.
    """
    shares = options.shares or SOURCE_DISJOINT_SHARES
    groups = [subject(source) for source in sources]
    sides = _deal(sources, groups, dict(zip(SPLITS, shares, strict=True)), options.seed, _one)
    parameters = {"seed": options.seed, "shares": list(shares)}
    return Assignment(sides, {}, parameters, _shared_identities(sources, sides))


def kfold(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """Subject-independent folds of even size: one to test, the next to validate, the rest to train.

    With five folds by first identity, the protocol of MRDF on FakeAVCeleb.
    """
    groups = [subject(source) for source in sources]
    if options.by == "component":
        groups = components([bonds(source) for source in sources])
    folds = {str(number): 1 / options.folds for number in range(options.folds)}
    dealt = _deal(sources, groups, folds, options.seed, collections.Counter(groups).__getitem__)
    names = {options.fold: "test", (options.fold + 1) % options.folds: "val"}
    sides = {key: names.get(int(number), "train") for key, number in dealt.items()}
    parameters = {name: getattr(options, name) for name in ("fold", "folds", "by", "seed")}
    return Assignment(sides, {}, parameters, _shared_identities(sources, sides))


def disjoint(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """Nobody, as target, face donor or voice, is on two sides; 80/10/10 of each kind of clip.

    Where donors connect almost everybody, clips between the sides are dropped, as few as found.
    """
    shares = options.shares or DISJOINT_SHARES
    found = separate(sources, dict(zip(SPLITS, shares, strict=True)), options.seed, drop=True)
    dropped = {key: f"its people are in {sides}" for key, sides in found.crossing.items()}
    notes = ()
    if dropped:
        notes = (
            f"{len(dropped)} of {len(sources)} clips dropped: face donors and voices connect "
            "people that had to be on different sides",
        )
    parameters = {"seed": options.seed, "shares": list(shares)}
    return Assignment(found.sides, dropped, parameters, notes)


def ethnicity(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """By the `race` that FakeAVCeleb tells, as detectors by prompts of CLIP and Whisper divide it.

    Raises:
        UserError: a clip has no race, or one that is on no side.
    """
    unknown = [s for s in sources if s.provenance.get("race") not in SIDE_OF_RACE]
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(sources)} clips are of no race that `ethnicity` divides, e.g. "
            f"{unknown[0].key!r}; it is a split of FakeAVCeleb"
        )
    sides = {source.key: SIDE_OF_RACE[source.provenance["race"]] for source in sources}
    return Assignment(sides, {}, {}, _shared_identities(sources, sides))


def test_only(sources: Sequence[ClipSource], options: SplitOptions) -> Assignment:
    """A set that is not trained on: its stated test clips, or all clips where no split is stated.

    Raises:
        UserError: a split is stated, but nothing is for testing.
    """
    stated = {source.split for source in sources} - {""}
    if stated and "test" not in stated:
        raise UserError(f"`test_only`: the set states {', '.join(sorted(stated))}, but no test")
    tested = {source.key for source in sources if source.split == "test" or not stated}
    dropped = {source.key: "not for testing" for source in sources if source.key not in tested}
    return Assignment(dict.fromkeys(sorted(tested), "test"), dropped, {})


def leave_out(assignment: Assignment, sources: Sequence[ClipSource], method: str) -> Assignment:
    """Without a way of forging in train and val; the test keeps it.

    Raises:
        UserError: no clip is forged so; says which come near.
    """
    methods = {s.key: {s.method_video, s.method_audio} - {"", "none"} for s in sources}
    out = {
        key: f"forged by {method}, which is only tested on"
        for key, names in methods.items()
        if any(method == name or method in name.split("-") for name in names)
    }
    if not out:
        raise UserError(
            f"no clip is forged by {method!r}; {nearest(method, set().union(*methods.values()))}"
        )
    sides = {k: side for k, side in assignment.sides.items() if side == "test" or k not in out}
    dropped = {key: why for key, why in out.items() if key in assignment.sides and key not in sides}
    return assignment._replace(
        sides=sides,
        dropped=assignment.dropped | dropped,
        parameters=assignment.parameters | {"leave_out": method},
    )


SCHEMES: dict[str, Scheme] = {
    "official": official,
    "hashed": hashed,
    "source_disjoint": source_disjoint,
    "kfold": kfold,
    "disjoint": disjoint,
    "ethnicity": ethnicity,
    "test_only": test_only,
}


def find_scheme(name: str) -> Scheme:
    """The scheme of that name.

    Raises:
        UserError: there is none; says which comes near.
    """
    if name not in SCHEMES:
        raise UserError(f"no split scheme called {name!r}; {nearest(name, SCHEMES)}")
    return SCHEMES[name]


def default_scheme(sources: Sequence[ClipSource]) -> str:
    """`official` where every clip has a split, else `hashed`."""
    return "official" if all(source.split for source in sources) else "hashed"


def _deal(
    sources: Sequence[ClipSource],
    groups: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    weight: Callable[[str], int],
) -> dict[str, str]:
    """Key -> side, where each group in turn goes to the side that is furthest behind its share.

    Groups come by stratum and then by hash, so that every stratum is shared out like the whole.
    """
    strata: dict[str, tuple[str, ...]] = {}
    for source, group in zip(sources, groups, strict=True):
        stratum = tuple(source.provenance.get(name, "") for name in ("race", "gender"))
        strata[group] = min(stratum, strata.get(group, stratum))

    def turn(group: str) -> tuple[tuple[str, ...], str]:
        return strata[group], hashlib.sha256(f"{seed} {group}".encode()).hexdigest()

    given = dict.fromkeys(shares, 0.0)
    side_of, total = {}, 0.0
    for group in sorted(strata, key=turn):
        total += weight(group)
        side = max(shares, key=lambda side: shares[side] * total - given[side])
        given[side] += weight(group)
        side_of[group] = side
    return {source.key: side_of[group] for source, group in zip(sources, groups, strict=True)}


def _one(group: str) -> int:
    return 1


def _shared_identities(sources: Sequence[ClipSource], sides: Mapping[str, str]) -> tuple[str, ...]:
    """A note on the test clips that share a person with a training clip, in whatever part."""
    trained = {
        name for source in sources if sides[source.key] == "train" for name in source.source_ids
    }
    tested = [source for source in sources if sides[source.key] == "test"]
    leaking = sum(not trained.isdisjoint(source.source_ids) for source in tested)
    if not leaking:
        return ()
    return (
        f"{leaking} of {len(tested)} test clips share a person with a training clip, as target, "
        "face donor or voice (scheme `disjoint` has none)",
    )
