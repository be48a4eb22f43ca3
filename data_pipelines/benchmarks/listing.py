"""What readers share: lists and folders that must be there, CSV, JSON, clips listed twice.

Owns how a list is read and how it is said what is wrong with it. Knows no data set.
"""

import csv
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TextIO, TypeVar

from data_pipelines.benchmarks.base import ClipSource, Stretches
from data_pipelines.errors import UserError, nearest
from data_pipelines.records.clip import FAKE, REAL

Value = TypeVar("Value")


def not_there(path: pathlib.Path, layout: str) -> NoReturn:
    """Refuses a root without the file or folder that a reader starts from.

    Args:
        path: what was looked for.
        layout: the tree that was expected, and where the set is asked for.
    """
    raise UserError(f"no {path}; expected {layout}")


def csv_table(path: pathlib.Path) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """A CSV file's columns and its rows, stripped, each with where it stands.

    Takes a byte order mark, any line ends and a spreadsheet's `sep=;`; empty lines are passed over.

    Raises:
        UserError: it cannot be read, is no UTF-8 text, or a row has more fields than columns.
    """
    rows = []
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front.
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _separator(file)
            before = 0 if separator is None else 1
            reader = csv.DictReader(file, restval="", delimiter=separator or ",")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            for raw in reader:
                where = f"{path}, line {reader.line_num + before}"
                if any(raw.pop(None, ())):  # type: ignore[call-overload]
                    raise UserError(f"{where}: more fields than columns; quote text with commas")
                rows.append((where, {name: text.strip() for name, text in raw.items()}))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: save it as CSV UTF-8 ({error})") from error
    except csv.Error as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return list(reader.fieldnames), rows


def _separator(file: TextIO) -> str | None:
    """What a first line such as `sep=;`, written for spreadsheets, says; it is passed over."""
    match = re.fullmatch(r"sep=(.)\s*", file.readline())
    if match is None:
        file.seek(0)
    return match and match[1]


def text_lines(path: pathlib.Path) -> list[tuple[str, str]]:
    """A text file's lines that are not empty, stripped, each with where it stands.

    Raises:
        UserError: it cannot be read or is no UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error})") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    numbered = [(f"{path}, line {i + 1}", line.strip()) for i, line in enumerate(lines)]
    return [(where, line) for where, line in numbered if line]


def json_content(path: pathlib.Path, kind: type[Value]) -> Value:
    """What a JSON file holds.

    Args:
        path: the file.
        kind: `list` or `dict`, which it must hold.

    Raises:
        UserError: it cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no UTF-8 or no JSON
        raise UserError(f"{path} is not JSON ({error})") from error
    if not isinstance(content, kind):
        raise UserError(f"{path} holds no JSON {kind.__name__} but a {type(content).__name__}")
    return content


def json_entries(
    path: pathlib.Path, fields: Mapping[str, type]
) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, each with where it stands.

    Args:
        path: the file.
        fields: what every object must have, and of which type.

    Raises:
        UserError: as `json_content`, or an entry is no such object.
    """
    entries = []
    for number, entry in enumerate(json_content(path, list)):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: {entry!r} is no object")
        for name, kind in fields.items():
            if not isinstance(entry.get(name), kind):
                raise UserError(f"{where}: no field {name!r} with a {kind.__name__}")
        entries.append((where, entry))
    return entries


def stretches(where: str, name: str, value: object) -> Stretches | None:
    """Stretches of time that a list gives as pairs of seconds; None if it gives none.

    Raises:
        UserError: it is no list of (start, end) with start before end.
    """
    if not value:
        return None
    try:
        pairs = tuple((float(start), float(end)) for start, end in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        pairs = ((1.0, 0.0),)
    if any(start > end for start, end in pairs):
        raise UserError(f"{where}: {name} is {value!r}, no list of [start, end] in seconds")
    return pairs


def known(where: str, name: str, value: object, meanings: Mapping[str, Value]) -> Value:
    """What a value of a list means.

    Raises:
        UserError: it means nothing; names where it stands, the value and the nearest known one.
    """
    if not isinstance(value, str) or value not in meanings:
        raise UserError(f"{where}: {name} is {value!r}; {nearest(str(value), meanings)}")
    return meanings[value]


def once(sources: Sequence[ClipSource]) -> list[ClipSource]:
    """The clips in order, those listed twice once.

    Raises:
        UserError: two entries of one clip contradict each other.
    """
    by_key: dict[str, ClipSource] = {}
    for source in sources:
        if by_key.setdefault(source.key, source) != source:
            raise UserError(f"{source.dataset}: two entries for {source.key!r} differ")
    return list(by_key.values())


def check_classes(sources: Sequence[ClipSource]) -> None:
    """Refuses a benchmark that has come without its genuine or without its forged clips.

    Raises:
        UserError: clips have labels, but all of one class.
    """
    there = {max(clip.label_video, clip.label_audio) for clip in sources}
    lacking = [name for name, label in (("genuine", REAL), ("forged", FAKE)) if label not in there]
    if len(lacking) == 1:
        raise UserError(
            f"{sources[0].dataset}: no {lacking[0]} clip among the {len(sources)} listed; look for "
            "folders that are missing or unreadable, or take it as it is with --one-class"
        )
