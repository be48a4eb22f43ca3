"""IDForge v1: celebrities with swapped faces or re-synced lips, cloned, converted or other voices.

The type folder says all: face_ and lip_ are forged pictures whose lips follow the sound (Wav2Lip);
rvc and tts are forged voices; audiomismatch is genuine speech of another person. A forged voice
over untouched lips says other words than they do, hence `label_sync` 0. The stand-ins that swapped
faces were put on are not named. People are shared across splits, source videos (`pair_id`) are not.
v2 is refused: its 16 frames a clip have no times [its description gives none], so lips and speech
have no common clock; v1 holds the same clips whole.
"""

import pathlib
from typing import Literal

from data_pipelines.benchmarks.base import SPLITS, ClipSource
from data_pipelines.benchmarks.files import locate
from data_pipelines.benchmarks.listing import known, not_there, once, text_lines
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, IN_SYNC, OUT_OF_SYNC, REAL, UNKNOWN

LAYOUT = (
    "IDForge v1's main/<type>/<id>/<id_video>/<clip>.mp4 with train.csv, val.csv and test.csv "
    "(one path below main/ a line); the set is asked for with the IDForge request form"
)
TYPES = (
    "pristine",
    "face_audiomismatch_textmismatch",
    "face_rvc_textmismatch",
    "face_tts",
    "face_tts_textgen",
    "lip_audiomismatch_textmismatch",
    "lip_rvc_textmismatch",
    "lip_tts_textgen",
    "rvc_textmismatch",
    "tts_textgen",
    "tts_textmismatch",
)
_SWAPS = ("simswap", "infoswap", "roop")
_VOICES = {"rvc": "rvc", "tts": "tortoise"}


def clips(root: pathlib.Path, *, audiomismatch_label: Literal[0, 1] = 0) -> list[ClipSource]:
    """The clips that the three lists name, whether they are there or not.

    Args:
        root: the folder with main/; the lists lie in it or in main/ [not confirmed].
        audiomismatch_label: `label_audio` of another person's genuine speech. `label` is 1 anyway:
            the picture is forged in all of these types.

    Raises:
        UserError: no list; a line that names no clip of a known type; the layout of v2.
    """
    if any((root / split / kind).is_dir() for split in SPLITS for kind in TYPES):
        raise UserError(
            f"{root} is IDForge v2: frames_ndarray.npy holds 16 frames without times, so lips and "
            f"speech have no common clock; give v1, which holds the same clips whole: {LAYOUT}"
        )
    found = []
    for split in SPLITS:
        files = [root / f"{split}.csv", root / "main" / f"{split}.csv"]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            not_there(files[0], LAYOUT)
        found += [
            _clip(root, where, line, split, audiomismatch_label) for where, line in text_lines(file)
        ]
    return once(found)


def _clip(
    root: pathlib.Path, where: str, line: str, split: str, audiomismatch_label: int
) -> ClipSource:
    parts = pathlib.PurePosixPath(line).parts
    if len(parts) != 4:
        raise UserError(f"{where}: {line!r} is no <type>/<id>/<id_video>/<clip>.mp4")
    kind, person, video, name = parts
    known(where, "type", kind, dict.fromkeys(TYPES, True))
    words = kind.split("_")
    mismatch = "audiomismatch" in words
    voice = next((_VOICES[word] for word in words if word in _VOICES), "none")
    picture = _picture_method(words[0], name)
    if mismatch and audiomismatch_label == FAKE:
        voice = "audiomismatch"
    return ClipSource(
        path=locate(root / "main", line),
        key=line,
        dataset="idforge",
        split=split,
        source_ids=(person,),
        pair_id=video,
        label_video=REAL if picture == "none" else FAKE,
        label_audio=REAL if voice == "none" else FAKE,
        label_sync=_sync(kind, picture),
        method_video=picture,
        method_audio=voice,
        expects_video=True,
        expects_audio=True,
        provenance={"type": kind} | ({"mismatch": "speech of another person"} if mismatch else {}),
    )


def _picture_method(prefix: str, name: str) -> str:
    """How the picture was forged; swaps are named by the file: `id53_scene_0083_0_simswap.mp4`."""
    if prefix == "lip":
        return "wav2lip"
    if prefix != "face":
        return "none"
    last = name.partition(".")[0].rpartition("_")[2]
    return f"{last if last in _SWAPS else 'faceswap'}-wav2lip"


def _sync(kind: str, picture: str) -> int:
    if kind == "pristine":
        return IN_SYNC
    return OUT_OF_SYNC if picture == "none" else UNKNOWN
