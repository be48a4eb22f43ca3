"""FaceForensics++ with FaceShifter and DeepFakeDetection: six manipulations of soundless video.

The project's lists `train.json`, `val.json`, `test.json` hold pairs [a, b]: originals a and b,
forgeries a_b and b_a of each manipulation. DeepFakeDetection and its actors have no official split.
A person is known only as the video (`youtube/033`) or by number (`actors/01`). One compression is
read for both classes, so that it cannot tell them apart. Keys hold the manipulation: four of them
share their file names.
"""

import itertools
import pathlib
import re
from collections.abc import Iterator
from typing import Literal

from data_pipelines.benchmarks.base import SPLITS, ClipSource
from data_pipelines.benchmarks.files import videos_below
from data_pipelines.benchmarks.listing import json_content, not_there, once
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, REAL

LAYOUT = (
    "FaceForensics++'s original_sequences/<set>/<compression>/videos/ and "
    "manipulated_sequences/<method>/<compression>/videos/, with train.json, val.json and test.json "
    "of its project beside them or in splits/; "
    "the set is asked for with the FaceForensics++ request form"
)
_METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
_ACTORS_REAL = re.compile(r"(?P<target>\d+)__(?P<scene>.+)")
_ACTORS_FAKE = re.compile(r"(?P<target>\d+)_(?P<donor>\d+)__(?P<scene>.+)__[^_]+")


def clips(
    root: pathlib.Path, *, compression: Literal["raw", "c23", "c40"] = "c23"
) -> list[ClipSource]:
    """Of each original and manipulated set that is there: the listed clips, or the actors' found.

    Args:
        root: the folder with original_sequences and manipulated_sequences.
        compression: which level to read.

    Raises:
        UserError: nothing at that compression, no list, or a list that is none.
    """
    original, manipulated = root / "original_sequences", root / "manipulated_sequences"
    there = [
        folder.relative_to(root).as_posix()
        for folder in [original / "youtube", *(manipulated / name for name in _METHODS)]
        if (folder / compression / "videos").is_dir()
    ]
    found = list(_listed(root, there, compression)) if there else []
    for folder in (original / "actors", manipulated / "DeepFakeDetection"):
        videos = videos_below(folder / compression / "videos", deep=False)
        found += [_actors_clip(root, path) for path in videos]
    if not found:
        levels = sorted({path.parent.name for path in root.glob("*_sequences/*/*/videos")})
        has = f" (there is {', '.join(levels)})" if levels else ""
        not_there(original / "youtube" / compression / "videos", f"{LAYOUT}{has}")
    return once(found)


def _listed(root: pathlib.Path, there: list[str], compression: str) -> Iterator[ClipSource]:
    for split in SPLITS:
        for first, second in _pairs(root, split):
            for folder, (target, donor) in itertools.product(
                there, [(first, second), (second, first)]
            ):
                real = folder.startswith("original")
                name = target if real else f"{target}_{donor}"
                yield _clip(
                    root,
                    f"{folder}/{compression}/videos/{name}.mp4",
                    split,
                    [f"youtube/{target}"] + ([] if real else [f"youtube/{donor}"]),
                    f"youtube/{target}",
                )


def _pairs(root: pathlib.Path, split: str) -> list[tuple[str, str]]:
    files = [root / f"{split}.json", root / "splits" / f"{split}.json"]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        not_there(files[0], LAYOUT)
    pairs = json_content(file, list)
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair))):
            raise UserError(f"{file}: {pair!r} is no pair of video names")
    return [(first, second) for first, second in pairs]


def _is_text(name: object) -> bool:
    return isinstance(name, str)


def _actors_clip(root: pathlib.Path, path: pathlib.Path) -> ClipSource:
    key = path.relative_to(root).as_posix()
    real = key.startswith("original")
    match = (_ACTORS_REAL if real else _ACTORS_FAKE).fullmatch(path.stem)
    if match is None:
        shape = "<actor>__<scene>" if real else "<target>_<source>__<scene>__<code>"
        raise UserError(f"{path} is not named {shape}.mp4")
    people = [f"actors/{match[role]}" for role in (["target"] if real else ["target", "donor"])]
    return _clip(root, key, "", people, f"actors/{match['target']}__{match['scene']}")


def _clip(root: pathlib.Path, key: str, split: str, people: list[str], original: str) -> ClipSource:
    kind, method, compression, *_ = key.split("/")
    real = kind == "original_sequences"
    return ClipSource(
        path=root / key,
        key=key,
        dataset="faceforensics",
        split=split,
        source_ids=tuple(people),
        pair_id=original,
        label_video=REAL if real else FAKE,
        method_video="none" if real else method,
        expects_video=True,
        provenance={"compression": compression},
    )
