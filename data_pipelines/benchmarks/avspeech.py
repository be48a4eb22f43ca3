"""AVSpeech: stretches of YouTube videos in which one visible face is heard; for pretraining.

Its lists name a video, a stretch in seconds and the place of the speaker's face; everybody cuts the
clips out of the videos himself, so the option `files` says how these are called. All count as
genuine and in sync, as the set promises. A video stands for its speaker and is an original
(`pair_id`): whether stretches overlap is not confirmed. Where several faces are seen, preparation
takes the largest, not the listed place. There is no validation split: carve it by identity.
"""

import pathlib

from data_pipelines.benchmarks.base import ClipSource, genuine_talk
from data_pipelines.benchmarks.files import locate
from data_pipelines.benchmarks.listing import not_there, once, text_lines
from data_pipelines.errors import UserError

LISTS = {"train": "avspeech_train.csv", "test": "avspeech_test.csv"}
LAYOUT = (
    f"AVSpeech's {LISTS['train']} or {LISTS['test']} (YouTube id, start, end, x, y a line) and the "
    "clips cut out of the videos; the lists are asked for at the set's own page"
)


def clips(root: pathlib.Path, *, files: str = "{split}/{id}_{start}_{end}.mp4") -> list[ClipSource]:
    """The clips that the lists name, whether they are there or not.

    Args:
        root: the folder with the lists.
        files: what the clips are called, relative to the root; `start` and `end` as the list
            writes them.

    Raises:
        UserError: no list; a line that is no stretch of a video; `files` has other fields.
    """
    lists = {split: root / name for split, name in LISTS.items() if (root / name).is_file()}
    if not lists:
        not_there(root / LISTS["train"], LAYOUT)
    return once(
        [
            _clip(root, where, line, split, files)
            for split, path in lists.items()
            for where, line in text_lines(path)
        ]
    )


def _clip(root: pathlib.Path, where: str, line: str, split: str, files: str) -> ClipSource:
    video, start, end, x, y = _fields(where, line)
    try:
        name = files.format(split=split, id=video, start=start, end=end)
    except (KeyError, IndexError, ValueError):
        raise UserError(
            f"option files is {files!r}; its fields are {{split}}, {{id}}, {{start}} and {{end}}"
        ) from None
    return genuine_talk(
        path=locate(root, name),
        key=name,
        dataset="avspeech",
        split=split,
        source_ids=(video,),
        pair_id=video,
        provenance={"start": start, "end": end, "face_x": x, "face_y": y},
    )


def _fields(where: str, line: str) -> list[str]:
    fields = [field.strip() for field in line.split(",")]
    try:
        start, end, *_ = map(float, fields[1:])
        fits = len(fields) == 5 and bool(fields[0]) and 0 <= start < end
    except ValueError:
        fits = False
    if not fits:
        raise UserError(f"{where}: {line!r} is no `YouTube id, start, end, x, y`")
    return fields
