"""Celeb-DF v2: swapped faces of celebrities, without sound to rely on.

The label comes from the folder: the list of testing videos gives 1 for genuine [not confirmed from
a primary file], other copies 0. What the list names is the test split, all else is train; there is
no validation split: carve it by identity (`data_pipelines.splits`). The people of YouTube-real are
not named; each video counts as one of its own. `Celeb-real/id27_0005.mp4` has a single frame, so
preparation skips and counts it.
"""

import pathlib
import re

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import locate, videos_below
from data_pipelines.benchmarks.listing import known, not_there, once, text_lines
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, REAL

LIST = "List_of_testing_videos.txt"
LAYOUT = (
    f"Celeb-DF-v2/ with Celeb-real/, YouTube-real/, Celeb-synthesis/ and {LIST}; "
    "the set is asked for with the Celeb-DF request form"
)
_LABELS = {"Celeb-real": REAL, "YouTube-real": REAL, "Celeb-synthesis": FAKE}
_NAMES = {
    "Celeb-real": re.compile(r"(?P<target>id\d+)_(?P<take>\d+)\.mp4"),
    "YouTube-real": re.compile(r"(?P<take>\d+)\.mp4"),
    "Celeb-synthesis": re.compile(r"(?P<target>id\d+)_(?P<donor>id\d+)_(?P<take>\d+)\.mp4"),
}


def clips(root: pathlib.Path) -> list[ClipSource]:
    """The listed test clips, there or not, and all others that are there as train.

    Raises:
        UserError: no list or none of the folders; a line or a file name that says nothing known.
    """
    if not (root / LIST).is_file():
        not_there(root / LIST, LAYOUT)
    test = [_listed(where, line) for where, line in text_lines(root / LIST)]
    if not any((root / folder).is_dir() for folder in _LABELS):
        not_there(root / "Celeb-real", LAYOUT)
    listed = set(test)
    there = [
        (folder, path.name)
        for folder in _LABELS
        for path in videos_below(root / folder, deep=False)
    ]
    train = sorted(clip for clip in there if clip not in listed)
    return once(
        [_clip(root, *clip, "train") for clip in train]
        + [_clip(root, *clip, "test") for clip in test]
    )


def _listed(where: str, line: str) -> tuple[str, str]:
    """Folder and file of a line such as `1 YouTube-real/00170.mp4`; its label is not used."""
    _, _, path = line.partition(" ")
    folder, _, name = path.strip().partition("/")
    known(where, "folder", folder, _LABELS)
    return folder, name


def _clip(root: pathlib.Path, folder: str, name: str, split: str) -> ClipSource:
    match = _NAMES[folder].fullmatch(name)
    if match is None:
        raise UserError(f"{root / folder / name}: not a name that {folder} has")
    people = [match[role] for role in ("target", "donor") if role in match.re.groupindex]
    if not people:
        people = [f"youtube/{match['take']}"]
    return ClipSource(
        path=locate(root / folder, name),
        key=f"{folder}/{name}",
        dataset="celebdf",
        split=split,
        source_ids=tuple(people),
        pair_id=f"{people[0]}_{match['take']}",
        label_video=_LABELS[folder],
        method_video="none" if _LABELS[folder] == REAL else "celeb-synthesis",
        expects_video=True,
    )
