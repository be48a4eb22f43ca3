"""LAV-DF: words of a speech exchanged, in sound (SV2TTS), picture (Wav2Lip) or both.

The forged stretches, `fake_periods` in seconds of the file, label its windows: one that none of
them touches is genuine although its clip is not. They are kept as provenance too. The official
`dev` split is `val`. People are not named.
"""

import json
import pathlib
from typing import Any

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import locate
from data_pipelines.benchmarks.listing import json_entries, known, not_there, once, stretches
from data_pipelines.records.clip import FAKE, IN_SYNC, REAL, UNKNOWN

LISTS = ("metadata.json", "metadata.min.json")
LAYOUT = (
    f"LAV-DF/ with {LISTS[0]} or {LISTS[1]} and train/, dev/, test/ of <number>.mp4; "
    "the set is asked for with the LAV-DF request form"
)
_FIELDS = {"file": str, "modify_video": bool, "modify_audio": bool, "fake_periods": list}
_SPLITS = {"train": "train", "dev": "val", "test": "test"}


def clips(root: pathlib.Path) -> list[ClipSource]:
    """The clips that the metadata name, whether they are there or not.

    Raises:
        UserError: no metadata, or an entry lacks a field or has an unknown split.
    """
    files = [root / name for name in LISTS if (root / name).is_file()]
    if not files:
        not_there(root / LISTS[0], LAYOUT)
    return once([_clip(root, where, entry) for where, entry in json_entries(files[0], _FIELDS)])


def _clip(root: pathlib.Path, where: str, entry: dict[str, Any]) -> ClipSource:
    label_video, label_audio = (
        FAKE if entry[name] else REAL for name in ("modify_video", "modify_audio")
    )
    forged = stretches(where, "fake_periods", entry["fake_periods"])
    genuine = (label_video, label_audio) == (REAL, REAL)
    return ClipSource(
        path=locate(root, entry["file"]),
        key=entry["file"],
        dataset="lavdf",
        split=known(where, "split", entry.get("split"), _SPLITS),
        pair_id=entry.get("original") or entry["file"],
        label_video=label_video,
        label_audio=label_audio,
        label_sync=IN_SYNC if genuine else UNKNOWN,
        method_video="wav2lip" if label_video == FAKE else "none",
        method_audio="sv2tts" if label_audio == FAKE else "none",
        forged_video=forged,
        forged_audio=forged,
        expects_video=True,
        expects_audio=True,
        provenance={"fake_periods": json.dumps(entry["fake_periods"])},
    )
