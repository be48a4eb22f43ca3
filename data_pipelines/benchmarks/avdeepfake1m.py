"""AV-Deepfake1M: words inserted, deleted or exchanged, in sound, picture or both.

The forged stretches of picture and sound, in seconds of the file, label its windows: one that none
touches is genuine although its clip is not. They are kept as provenance too.
The labels of the test split are hidden: its clips, where they are there, have none. People are
VoxCeleb2's, whose numbers FakeAVCeleb uses too.
"""

import json
import pathlib
import re
from typing import Any

from data_pipelines.benchmarks.base import ClipSource, Stretches
from data_pipelines.benchmarks.files import locate, printable, videos_below
from data_pipelines.benchmarks.listing import json_entries, known, not_there, once, stretches
from data_pipelines.records.clip import FAKE, IN_SYNC, REAL, UNKNOWN

LAYOUT = (
    "AV-Deepfake1M's train_metadata.json with train/, val_metadata.json with val/, and test/; "
    "the set is asked for with the AV-Deepfake1M registration form"
)
_LABELS = {
    "real": (REAL, REAL),
    "visual_modified": (FAKE, REAL),
    "audio_modified": (REAL, FAKE),
    "both_modified": (FAKE, FAKE),
}
_SEGMENTS = ("fake_segments", "visual_fake_segments", "audio_fake_segments")


def clips(root: pathlib.Path) -> list[ClipSource]:
    """The clips that the metadata name, there or not, and the test clips that are there.

    Raises:
        UserError: no metadata, or an entry lacks a field or has an unknown `modify_type`.
    """
    lists = {split: root / f"{split}_metadata.json" for split in ("train", "val")}
    if not any(file.is_file() for file in lists.values()):
        not_there(lists["train"], LAYOUT)
    found = [
        _labelled(root, split, where, entry)
        for split, file in lists.items()
        if file.is_file()
        for where, entry in json_entries(file, {"file": str, "modify_type": str})
    ]
    return once(found + [_unlabelled(root, path) for path in videos_below(root / "test")])


def _labelled(root: pathlib.Path, split: str, where: str, entry: dict[str, Any]) -> ClipSource:
    file = entry["file"]
    kind = entry["modify_type"]
    label_video, label_audio = known(where, "modify_type", kind, _LABELS)
    return ClipSource(
        path=locate(root / split, file),
        key=f"{split}/{file}",
        dataset="avdeepfake1m",
        split=split,
        source_ids=_person(file),
        pair_id=entry.get("original") or file,
        label_video=label_video,
        label_audio=label_audio,
        label_sync=IN_SYNC if kind == "real" else UNKNOWN,
        method_video="talklip" if label_video == FAKE else "none",
        method_audio=entry.get("audio_model") or "" if label_audio == FAKE else "none",
        forged_video=_forged(where, entry, "visual_fake_segments"),
        forged_audio=_forged(where, entry, "audio_fake_segments"),
        expects_video=True,
        expects_audio=True,
        provenance={name: json.dumps(entry[name]) for name in _SEGMENTS if name in entry},
    )


def _forged(where: str, entry: dict[str, Any], name: str) -> Stretches | None:
    """The stretches of one modality; early lists give only those of both together."""
    name = name if name in entry else "fake_segments"
    return stretches(where, name, entry.get(name))


def _unlabelled(root: pathlib.Path, path: pathlib.Path) -> ClipSource:
    return ClipSource(
        path=path,
        key=printable(path.relative_to(root).as_posix()),
        dataset="avdeepfake1m",
        split="test",
        expects_video=True,
        expects_audio=True,
    )


def _person(file: str) -> tuple[str, ...]:
    """VoxCeleb2's number among a path's folders, e.g. of `id00012/21Uxsk56VDQ/00001/real.mp4`."""
    folders = pathlib.PurePosixPath(file).parts[:-1]
    return tuple(folder for folder in folders if re.fullmatch(r"id\d+", folder))[:1]
