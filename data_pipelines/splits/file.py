"""A split as a small file that can be published without the data, and checked against a copy.

Owns the format. Keys are relative to the data set's root, so the file fits every copy of it.
"""

import collections
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from data_pipelines.benchmarks.base import SPLITS, ClipSource
from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.clip import FAKE, REAL, UNKNOWN, any_fake
from data_pipelines.splits.schemes import (
    SplitOptions,
    default_scheme,
    find_scheme,
    leave_out,
)

FORMAT, VERSION = "cad-jax split", 1


@dataclasses.dataclass(frozen=True)
class Split:
    """Which clip is on which side, and how that came about.

    Attributes:
        dataset: its name.
        scheme: what divided it, see `schemes`.
        parameters: of the scheme, seed among them.
        notes: what the scheme has to say.
        sides: key -> `train`, `val` or `test`.
        dropped: key -> why the clip is on no side.
        labels: key -> video, audio and sync label, to recognise another version of the data set.
    """

    dataset: str
    scheme: str
    parameters: dict[str, Any]
    notes: tuple[str, ...]
    sides: dict[str, str]
    dropped: dict[str, str]
    labels: dict[str, list[int]]

    @property
    def name(self) -> str:
        """E.g. `kfold fold=0 folds=5 by=identity seed=0`."""
        values = (f"{name}={_text(value)}" for name, value in self.parameters.items())
        return " ".join([self.scheme, *values])

    @property
    def sha256(self) -> str:
        """Of the content, whatever the order and spacing in the file."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def stamp(self) -> dict[str, str]:
        """What results name it by."""
        return {"name": self.name, "sha256": self.sha256}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A split against the clips of a copy of the data set.

    Attributes:
        have: clips of the split that are there, on a side or dropped.
        missing: keys of the split that the copy lacks, or whose file is not there.
        extra: keys of the copy that the split does not know.
        mismatched: keys whose labels differ.
    """

    have: int
    missing: list[str]
    extra: list[str]
    mismatched: list[str]

    def line(self) -> str:
        """For people."""
        named = {
            "missing": self.missing, "extra": self.extra, "label mismatch": self.mismatched
        }  # fmt: skip
        counts = (
            f"{name} {len(keys)}{f' (e.g. {keys[0]})' if keys else ''}"
            for name, keys in named.items()
        )
        return ", ".join([f"on disk: have {self.have}", *counts])


def make_split(sources: Sequence[ClipSource], scheme: str, options: SplitOptions) -> Split:
    """Divides the clips of one data set.

    Args:
        sources: from a reader.
        scheme: a name of `SCHEMES`; empty for `default_scheme`.
        options: of the scheme.

    Raises:
        UserError: no such scheme, or it does not apply.
    """
    scheme = scheme or default_scheme(sources)
    found = find_scheme(scheme)(sources, options)
    if options.leave_out:
        found = leave_out(found, sources, options.leave_out)
    return Split(
        dataset=sources[0].dataset,
        scheme=scheme,
        parameters=found.parameters,
        notes=found.notes,
        sides=found.sides,
        dropped=found.dropped,
        labels={source.key: _labels(source) for source in sources},
    )


def choose_split(sources: Sequence[ClipSource], choice: str) -> Split:
    """What a command line names: a split file (`*.json`), a scheme, or nothing for the default.

    Raises:
        UserError: see `read_split`, `make_split`.
    """
    if choice.endswith(".json"):
        return read_split(pathlib.Path(choice))
    return make_split(sources, choice, SplitOptions())


def apply_split(split: Split, sources: Sequence[ClipSource]) -> list[ClipSource]:
    """The clips that are on a side, with it; in the order of `sources`.

    Raises:
        UserError: none is, or labels differ: the file is of another data set or version.
    """
    found = compare(split, sources)
    if found.mismatched:
        raise UserError(
            f"{len(found.mismatched)} clips have other labels than the split says, e.g. "
            f"{found.mismatched[0]!r}: it is of another version of {split.dataset}"
        )
    chosen = [
        dataclasses.replace(source, split=split.sides[source.key])
        for source in sources
        if source.key in split.sides
    ]
    if not chosen:
        raise UserError(f"the split of {split.dataset} names none of these {len(sources)} clips")
    return chosen


def compare(split: Split, sources: Sequence[ClipSource]) -> Comparison:
    """Holds a split against what is on disk."""
    there = {source.key: source for source in sources if source.path.exists()}
    return Comparison(
        have=sum(key in there for key in split.labels),
        missing=[key for key in split.labels if key not in there],
        extra=[source.key for source in sources if source.key not in split.labels],
        mismatched=[
            source.key
            for source in sources
            if split.labels.get(source.key, _labels(source)) != _labels(source)
        ],
    )


def split_lines(split: Split, sources: Sequence[ClipSource]) -> list[str]:
    """The split for people: clips, labels and identities of each side, what was dropped."""
    lines = [f"{split.dataset}: {split.name}, sha256 {split.sha256[:12]}"]
    for side in SPLITS:
        own = [source for source in sources if split.sides.get(source.key) == side]
        labels = [_label(source) for source in own]
        known = f"{labels.count(FAKE)} forged, {labels.count(REAL)} genuine"
        identities = {name for source in own for name in source.source_ids}
        lines.append(f"{side:5} {len(own):7} clips ({known}), {len(identities)} identities")
    for reason, count in collections.Counter(split.dropped.values()).most_common():
        lines.append(f"dropped {count}: {reason}")
    return lines + list(split.notes)


def write_split(split: Split, path: pathlib.Path) -> None:
    """Writes the file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    content = {"format": FORMAT, "version": VERSION, "sha256": split.sha256}
    content |= dataclasses.asdict(split)
    with atomic_writer(path) as write:
        write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_split(path: pathlib.Path) -> Split:
    """Reads the file and checks its hash.

    Raises:
        UserError: not there, no split, of another version, or changed by hand.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.pop("format"), content.pop("version")
        stated = content.pop("sha256")
        split = Split(**content | {"notes": tuple(content["notes"])})
        intact = split.sha256 == stated and set(split.sides.values()) <= set(SPLITS)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no split file ({error!r})") from error
    if found != (FORMAT, VERSION):
        raise UserError(f"{path} is {found[0]!r}, version {found[1]}; expected {FORMAT}, {VERSION}")
    if not intact:
        raise UserError(f"{path} was changed: its content does not have the hash it states")
    return split


def _text(value: Any) -> str:
    return "/".join(f"{part:g}" for part in value) if isinstance(value, list) else str(value)


def _labels(source: ClipSource) -> list[int]:
    return [source.label_video, source.label_audio, source.label_sync]


def _label(source: ClipSource) -> int:
    video, audio = source.label_video, source.label_audio
    return any_fake(video, audio, source.label_sync, video != UNKNOWN, audio != UNKNOWN)
