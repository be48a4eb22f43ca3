"""DFDC (Deepfake Detection Challenge): 50 train parts and a test set, forged by eight methods.

Whether a clip's sound is forged is not said (`label_audio` -1), nor how, nor who is seen; a few
FAKE clips have only their voice exchanged, which the lists do not tell apart. Often several people
are seen: the largest face is followed. There is no validation list; parts are train. The columns of
the test list, `filename` and `label` with 1 for fake, are not confirmed from a primary file.
"""

import pathlib
import re

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import locate
from data_pipelines.benchmarks.listing import csv_table, json_content, known, not_there, once
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, REAL

LAYOUT = (
    "dfdc_train_part_<n>/ with metadata.json and <clip>.mp4, and test/ with labels.csv; "
    "the set is asked for with Meta's form for the DFDC data set"
)
_LABELS = {"REAL": REAL, "FAKE": FAKE, "0": REAL, "1": FAKE}


def clips(root: pathlib.Path) -> list[ClipSource]:
    """The clips that the parts' metadata and the test list name, whether they are there or not.

    Raises:
        UserError: neither parts nor a test list, a part without metadata, or a wrong list.
    """
    parts = sorted(root.glob("dfdc_train_part_*"), key=_number)
    test = root / "test" / "labels.csv"
    if not parts and not test.is_file():
        not_there(root / "dfdc_train_part_0" / "metadata.json", LAYOUT)
    found = [clip for part in parts for clip in _part(part)]
    return once(found + (_test(test) if test.is_file() else []))


def _number(part: pathlib.Path) -> tuple[int, str]:
    digits = re.search(r"\d+$", part.name)
    return (int(digits[0]) if digits else -1, part.name)


def _part(folder: pathlib.Path) -> list[ClipSource]:
    file = folder / "metadata.json"
    if not file.is_file():
        not_there(file, LAYOUT)
    found = []
    for name, facts in json_content(file, dict).items():
        where = f"{file}, {name}"
        if not isinstance(facts, dict) or "label" not in facts:
            raise UserError(f"{where}: no field 'label'")
        label = known(where, "label", facts["label"], _LABELS)
        original = facts.get("original") or name
        found.append(_clip(folder, name, "train", label, pathlib.PurePosixPath(original).stem))
    return found


def _test(file: pathlib.Path) -> list[ClipSource]:
    names, rows = csv_table(file)
    for name in ("filename", "label"):
        if name not in names:
            raise UserError(f"{file}: no column {name!r}; it has: {', '.join(names)}")
    return [
        _clip(file.parent, row["filename"], "test", known(where, "label", row["label"], _LABELS))
        for where, row in rows
    ]


def _clip(
    folder: pathlib.Path, name: str, split: str, label: int, original: str = ""
) -> ClipSource:
    return ClipSource(
        path=locate(folder, name),
        key=f"{folder.name}/{name}",
        dataset="dfdc",
        split=split,
        pair_id=original,
        label_video=label,
        method_video="none" if label == REAL else "",
        expects_video=True,
    )
