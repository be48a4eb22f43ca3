"""FakeAVCeleb v1.2: faces and voices of 500 people, each genuine, forged in one, or in both.

Labels come from the type folder; `method` names how the picture was made. All forged voices are
clones by SV2TTS (`rtvc` in the list). There is no official split. The genuine clip of each person
is the original of all that is made from it. Whether lip-synced or cloned speech is in sync is not
said: `label_sync` is known for genuine clips only.
"""

import pathlib
import re

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import locate
from data_pipelines.benchmarks.listing import csv_table, known, not_there, once
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, IN_SYNC, REAL, UNKNOWN

LIST = "meta_data.csv"
LAYOUT = (
    f"FakeAVCeleb_v1.2/ with {LIST} and <type>/<race>/<gender>/<id>/<file>.mp4; "
    "the set is asked for with the FakeAVCeleb request form"
)
_COLUMNS = ("source", "target1", "target2", "method", "path")
_TYPES = {
    "RealVideo-RealAudio": (REAL, REAL),
    "RealVideo-FakeAudio": (REAL, FAKE),
    "FakeVideo-RealAudio": (FAKE, REAL),
    "FakeVideo-FakeAudio": (FAKE, FAKE),
}
_PICTURE_METHODS = {
    "real": "none",
    "rtvc": "none",
    **{name: name for name in ("wav2lip", "faceswap", "fsgan")},
    **{name: name for name in ("faceswap-wav2lip", "fsgan-wav2lip")},
}
_RACES = (
    "African", "Asian (East)", "Asian (South)", "Caucasian (American)", "Caucasian (European)"
)  # fmt: skip


def clips(root: pathlib.Path) -> list[ClipSource]:
    """The clips that `meta_data.csv` names, whether they are there or not.

    Raises:
        UserError: no list, or a row of it has an unknown type, race or method.
    """
    if not (root / LIST).is_file():
        not_there(root / LIST, LAYOUT)
    names, rows = csv_table(root / LIST)
    lacking = [name for name in _COLUMNS if name not in names]
    if lacking:
        raise UserError(f"{root / LIST}: no column {lacking[0]!r}; it has: {', '.join(names)}")
    folder_column = names[-1]  # it has no name, or the one that pandas gives such
    folders = {name: _race_folders(root / name) for name in _TYPES}
    return once([_clip(root, where, row, row[folder_column], folders) for where, row in rows])


def _clip(
    root: pathlib.Path,
    where: str,
    row: dict[str, str],
    folder: str,
    race_folders: dict[str, dict[str, str]],
) -> ClipSource:
    parts = pathlib.PurePosixPath(folder).parts[-4:]
    if len(parts) < 4:
        raise UserError(f"{where}: the last column is {folder!r}, no <type>/<race>/<gender>/<id>")
    kind, race, gender, person = parts
    label_video, label_audio = known(where, "type", kind, _TYPES)
    race = known(where, "race", _plain(race), {_plain(name): name for name in _RACES})
    method = known(where, "method", row["method"], _PICTURE_METHODS)
    below = pathlib.PurePosixPath(gender, person, row["path"])
    targets = [row[name] for name in ("target1", "target2")]
    return ClipSource(
        path=locate(root / kind / race_folders[kind].get(_plain(race), race), str(below)),
        key=f"{kind}/{race}/{below}",
        dataset="fakeavceleb",
        source_ids=_identities(row["source"], targets),
        pair_id=row["source"],
        label_video=label_video,
        label_audio=label_audio,
        label_sync=IN_SYNC if (label_video, label_audio) == (REAL, REAL) else UNKNOWN,
        method_video=method if label_video == FAKE else "none",
        method_audio="rtvc" if label_audio == FAKE else "none",
        expects_video=True,
        expects_audio=True,
        provenance={"race": race, "gender": gender, "target1": targets[0], "target2": targets[1]},
    )


def _identities(source: str, targets: list[str]) -> tuple[str, ...]:
    """The source and those targets that are people: others are `-`, numbers, even file names."""
    people = [target for target in targets if re.fullmatch(r"id\d+", target)]
    return tuple(dict.fromkeys([source, *people]))


def _race_folders(folder: pathlib.Path) -> dict[str, str]:
    """How this copy writes its race folders: some have `Asian_East` or `Asian-East`."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {_plain(path.name): path.name for path in found}


def _plain(race: str) -> str:
    return re.sub("[^a-z]+", " ", race.lower()).strip()
