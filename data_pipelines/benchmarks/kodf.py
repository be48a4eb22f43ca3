"""KoDF: Korean speakers, forged by six methods in five folders.

The folders are the labels. The clips of `fsgan` have no sound. What the forgeries' sound is, and
whose face was taken, is not confirmed from a primary file: their `label_audio` and `label_sync` are
unknown and only the person of the folder counts as seen. Its lists are not read: no official split.
"""

import pathlib

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import printable, videos_below
from data_pipelines.benchmarks.listing import not_there
from data_pipelines.records.clip import FAKE, IN_SYNC, REAL, UNKNOWN

ORIGINAL, SOUNDLESS = "original_videos", "fsgan"
FOLDERS = (ORIGINAL, "audio-driven", "dffs", "dfl", "fo", SOUNDLESS)
LAYOUT = (
    f"KoDF's {', '.join(f'{name}/' for name in FOLDERS)} with <id>/ and videos below; "
    "the set is asked for with the KoDF request form, or at AI-Hub from Korea"
)


def clips(root: pathlib.Path) -> list[ClipSource]:
    """Every video below the folders that are there.

    Raises:
        UserError: none of the folders is there.
    """
    found = [root / name for name in FOLDERS if (root / name).is_dir()]
    if not found:
        not_there(root / ORIGINAL, LAYOUT)
    return [_clip(root, folder, path) for folder in found for path in videos_below(folder)]


def _clip(root: pathlib.Path, folder: pathlib.Path, path: pathlib.Path) -> ClipSource:
    genuine = folder.name == ORIGINAL
    people = path.relative_to(folder).parts[:-1][:1]
    return ClipSource(
        path=path,
        key=printable(path.relative_to(root).as_posix()),
        dataset="kodf",
        source_ids=tuple(map(printable, people)),
        label_video=REAL if genuine else FAKE,
        label_audio=REAL if genuine else UNKNOWN,
        label_sync=IN_SYNC if genuine else UNKNOWN,
        method_video="none" if genuine else folder.name,
        method_audio="none" if genuine else "",
        expects_video=True,
        expects_audio=folder.name != SOUNDLESS,
    )
