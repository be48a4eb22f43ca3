"""LRS3: sentences out of TED and TEDx talks, all genuine and in sync; for pretraining.

A folder is a talk, which stands for its speaker. No talk of `test` is in the other parts; a
sentence of `trainval` may be cut out of one of `pretrain` [not confirmed], hence both are train and
a talk is an original (`pair_id`). There is no validation split: carve it by identity. The
transcripts beside the clips (`.txt`) are not read.
"""

import pathlib

from data_pipelines.benchmarks.base import ClipSource, genuine_talk
from data_pipelines.benchmarks.files import printable, videos_below
from data_pipelines.benchmarks.listing import not_there

SPLITS = {"pretrain": "train", "trainval": "train", "test": "test"}
LAYOUT = (
    "LRS3's pretrain/, trainval/ and test/ with <talk>/<clip>.mp4 and <clip>.txt; the set is asked "
    "for with the LRS3 request form"
)


def clips(root: pathlib.Path) -> list[ClipSource]:
    """Every video below the parts that are there.

    Raises:
        UserError: no part is there.
    """
    parts = [part for part in SPLITS if (root / part).is_dir()]
    if not parts:
        not_there(root / "pretrain", LAYOUT)
    return [_clip(root, part, path) for part in parts for path in videos_below(root / part)]


def _clip(root: pathlib.Path, part: str, path: pathlib.Path) -> ClipSource:
    talk = printable(next(iter(path.relative_to(root / part).parts[:-1]), ""))
    return genuine_talk(
        path=path,
        key=printable(path.relative_to(root).as_posix()),
        dataset="lrs3",
        split=SPLITS[part],
        source_ids=(talk,) if talk else (),
        pair_id=talk,
    )
