"""A folder of your own: `manifest.csv` with what is known of each clip, or just videos.

Columns: `path` (required, relative to the folder); `split` (train, val, test); `label_video`,
`label_audio`, `label_sync` (1, 0, -1 or empty for unknown); `method_video`, `method_audio`;
`source_ids` (joined by `;`); `pair_id`; `has_video`, `has_audio` (yes: a file without it is an
error). Everything else is kept as provenance. Without a manifest: every video, unlabelled, or by
the option `labels` all genuine, or as folders such as real/ and fake/, 0_real/ and 1_fake/ say.
"""

import logging
import pathlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from data_pipelines.benchmarks.base import SPLITS, ClipSource
from data_pipelines.benchmarks.files import locate, printable, videos_below
from data_pipelines.benchmarks.listing import csv_table
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, REAL

MANIFEST = "manifest.csv"

_LABELS = {"1": 1, "0": 0, "-1": -1, "": -1, "1.0": 1, "0.0": 0, "-1.0": -1}  # pandas adds the .0
_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
_GENUINE = ("real", "genuine", "original", "originals", "pristine", "authentic")
_FORGED = ("fake", "fakes", "forged", "manipulated", "deepfake", "deepfakes")
_FOLDER_CLASSES = {**dict.fromkeys(_GENUINE, REAL), **dict.fromkeys(_FORGED, FAKE)}
_FOLDER_LABELS = {
    REAL: {
        "label_video": "0",
        "label_audio": "0",
        "label_sync": "1",
        "method_video": "none",
        "method_audio": "none",
    },
    FAKE: {"label_video": "1"},
}
_LABEL_COLUMNS = ("label_video", "label_audio", "label_sync")
_TEXT_COLUMNS = ("method_video", "method_audio", "pair_id")
_OTHER_COLUMNS = ("path", "split", "source_ids", "has_video", "has_audio")
_KNOWN_COLUMNS = frozenset(_LABEL_COLUMNS + _TEXT_COLUMNS + _OTHER_COLUMNS)


def clips(
    root: pathlib.Path, *, labels: Literal["manifest", "folders", "genuine"] = "manifest"
) -> list[ClipSource]:
    """The folder's clips: those that the manifest names, else every video below it.

    The data set is called after the folder. Clips whose split is not stated have none.

    Args:
        root: the folder.
        labels: who states them: the manifest, or where there is none the names of the folders that
            a video lies in, or `genuine` for all of them, e.g. to pretrain on. A genuine clip's
            picture and sound are, and belong together; of one among the fakes only the picture is
            known to be forged.

    Raises:
        UserError: no such folder, no video in it, or a wrong manifest; names line and column. No
            folder's name is a label, or two on the way to a video contradict each other.
    """
    if not root.is_dir():
        raise UserError(f"no such folder: {root}; give the folder that holds {MANIFEST} or videos")
    manifest = root / MANIFEST
    if manifest.exists() and labels != "manifest":
        raise UserError(f"{manifest} states the labels: remove it, or leave labels={labels} out")
    rows = list(_manifest_rows(manifest) if manifest.exists() else _video_rows(root, labels))
    if not rows:
        what = f"{manifest} names no clip" if manifest.exists() else f"no video below {root}"
        raise UserError(f"{what}; expected {MANIFEST} or files such as clip.mp4")
    dataset = dataset_name(root)
    return [
        ClipSource(
            path=locate(root, row["path"]),
            key=printable(str(pathlib.PurePosixPath(row["path"]))),
            dataset=dataset,
            split=row.get("split", ""),
            source_ids=_identities(row),
            pair_id=row.get("pair_id", ""),
            label_video=_LABELS[row.get("label_video", "")],
            label_audio=_LABELS[row.get("label_audio", "")],
            label_sync=_LABELS[row.get("label_sync", "")],
            method_video=row.get("method_video", ""),
            method_audio=row.get("method_audio", ""),
            expects_video=_FLAGS[row.get("has_video", "").lower()],
            expects_audio=_FLAGS[row.get("has_audio", "").lower()],
            provenance={name: text for name, text in row.items() if name not in _KNOWN_COLUMNS},
        )
        for row in rows
    ]


def dataset_name(root: pathlib.Path) -> str:
    """The folder's name in lower case letters, digits and underscores, beginning with a letter."""
    name = re.sub("[^a-z0-9]+", "_", root.resolve().name.lower()).strip("_") or "folder"
    return name if name[0].isalpha() else f"folder_{name}"


def _video_rows(root: pathlib.Path, labels: str) -> Iterator[dict[str, str]]:
    """Every video, labelled by its folders where that is wanted; else it is said where it could."""
    paths = [path.relative_to(root) for path in videos_below(root)]
    classes = {path: _classes(path) for path in paths}
    if labels == "folders":
        _check_classes(root, classes)
    elif labels == "manifest" and {REAL, FAKE} <= set().union(*classes.values()):
        logging.warning("%s: its folders' names are labels: take --option labels=folders", root)
    for path, found in classes.items():
        stated = {"folders": found, "genuine": {REAL}}.get(labels)
        yield {"path": path.as_posix(), **(_FOLDER_LABELS[min(stated)] if stated else {})}


def _classes(path: pathlib.Path) -> set[int]:
    """REAL and FAKE, as the names of the folders say that a video lies in."""
    words = [re.sub("^[0-9]+[-_. ]+", "", folder.lower()) for folder in path.parts[:-1]]
    return {_FOLDER_CLASSES[word] for word in words if word in _FOLDER_CLASSES}


def _check_classes(root: pathlib.Path, classes: dict[pathlib.Path, set[int]]) -> None:
    for path, found in classes.items():
        if len(found) > 1:
            raise UserError(
                f"{root / path}: its folders say both real and fake; rename one of them"
            )
    unlabelled = sum(not found for found in classes.values())
    if classes and unlabelled == len(classes):
        raise UserError(f"labels=folders: no folder of {root} is called real or fake")
    if unlabelled:
        logging.warning("%s: %d videos lie in no labelled folder: unknown", root, unlabelled)


def _manifest_rows(manifest: pathlib.Path) -> Iterator[dict[str, str]]:
    """The manifest's rows, checked."""
    names, rows = csv_table(manifest)
    _check_header(manifest, names)
    first_line: dict[str, str] = {}
    for where, row in rows:
        _check_row(where, row)
        file = unicodedata.normalize("NFC", str(locate(manifest.parent, row["path"])))
        if file in first_line:
            raise UserError(f"{where}: {row['path']!r} was already named in {first_line[file]}")
        first_line[file] = where.rpartition(", ")[2]
        yield row


def _check_header(manifest: pathlib.Path, names: list[str]) -> None:
    if "path" not in names:
        found = ", ".join(names) or "nothing"
        raise UserError(f"{manifest}: the first line must name a column 'path'; it has: {found}")
    if "" in names or len(set(names)) < len(names):
        raise UserError(f"{manifest}: every column needs a name of its own; it has: {names}")


def _check_row(where: str, row: dict[str, str]) -> None:
    path = pathlib.PurePosixPath(row["path"])
    if not row["path"] or "\0" in row["path"]:
        raise UserError(f"{where}, column path: name a file")
    if path.is_absolute() or ".." in row["path"].replace("\\", "/").split("/"):
        raise UserError(f"{where}, column path: {row['path']!r} must lie below the folder")
    for name in _LABEL_COLUMNS:
        if row.get(name, "") not in _LABELS:
            raise UserError(f"{where}, column {name}: {row[name]!r} is not 1, 0, -1 or empty")
    for name in ("has_video", "has_audio"):
        if row.get(name, "").lower() not in _FLAGS:
            raise UserError(f"{where}, column {name}: {row[name]!r} is not yes, no or empty")
    if row.get("split", "") not in (*SPLITS, ""):
        raise UserError(f"{where}, column split: {row['split']!r} is not train, val, test or empty")


def _identities(row: dict[str, str]) -> tuple[str, ...]:
    parts = (part.strip() for part in row.get("source_ids", "").split(";"))
    return tuple(part for part in parts if part)
