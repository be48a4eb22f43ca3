"""VoxCeleb2: celebrities who speak in interviews, all genuine and in sync; for pretraining.

A person is a folder `id*`, and nobody is in both `dev` (train) and `test`; there is no validation
split: carve it by identity. The sound lies in the mp4, or as m4a at the same place of a parallel
tree `aac/`. The set's own lists of names and genders are not needed.
"""

import pathlib

from data_pipelines.benchmarks.base import ClipSource, genuine_talk
from data_pipelines.benchmarks.files import printable, videos_below
from data_pipelines.benchmarks.listing import not_there

SPLITS = {"dev": "train", "test": "test"}
LAYOUT = (
    "VoxCeleb2's dev/mp4/<id>/<video>/<clip>.mp4 and test/ likewise, the sound inside or in "
    "dev/aac/<id>/<video>/<clip>.m4a; the set is asked for with the VoxCeleb2 request form"
)


def clips(root: pathlib.Path) -> list[ClipSource]:
    """Every video below the parts that are there.

    Raises:
        UserError: neither part is there.
    """
    parts = [part for part in SPLITS if (root / part / "mp4").is_dir()]
    if not parts:
        not_there(root / "dev" / "mp4", LAYOUT)
    return [_clip(root, part, path) for part in parts for path in videos_below(root / part / "mp4")]


def _clip(root: pathlib.Path, part: str, path: pathlib.Path) -> ClipSource:
    place = path.relative_to(root / part / "mp4")
    sound = (root / part / "aac" / place).with_suffix(".m4a")
    return genuine_talk(
        path=path,
        audio_path=sound if sound.exists() else None,
        key=printable(path.relative_to(root).as_posix()),
        dataset="voxceleb2",
        split=SPLITS[part],
        source_ids=tuple(map(printable, place.parts[:-1][:1])),
    )
