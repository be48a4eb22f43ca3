"""DF-TIMIT (DeepfakeTIMIT) with VidTIMIT: faces swapped between 16 pairs, the speech untouched.

DF-TIMIT holds forgeries only, their sound as a wav beside the avi. The genuine clips are those of
VidTIMIT, for the sentences that DF-TIMIT forged: frames and wav [its layout is not confirmed from a
primary file], or avi. Without it only a detection rate exists, no AUC. There is no official split;
`pair_id` keeps both qualities of a sentence with its original, `source_ids` both people of a pair.
"""

import logging
import pathlib
import re

from data_pipelines.benchmarks.base import ClipSource, genuine_talk
from data_pipelines.benchmarks.files import printable, videos_below
from data_pipelines.benchmarks.listing import not_there
from data_pipelines.errors import UserError
from data_pipelines.records.clip import FAKE, REAL

LAYOUT = (
    "DeepfakeTIMIT/ with higher_quality/ and lower_quality/, in them "
    "<subject>/<sentence>-video-<donor>.avi and <subject>/<sentence>.wav; "
    "the set is asked for at Idiap (DeepfakeTIMIT), its originals from the VidTIMIT project"
)
_METHODS = {"higher_quality": "faceswap-gan-hq", "lower_quality": "faceswap-gan-lq"}
_NAME = re.compile(r"(?P<sentence>.+)-video-(?P<donor>[^-]+)\.avi", re.IGNORECASE)


def clips(root: pathlib.Path, *, vidtimit: str = "") -> list[ClipSource]:
    """The forgeries that are there and, with VidTIMIT, the original of each.

    Args:
        root: the folder DeepfakeTIMIT.
        vidtimit: the folder that holds VidTIMIT's subjects; empty: no genuine clips.

    Raises:
        UserError: a folder is not there, or a file's name does not say what it is.
    """
    found = [root / quality for quality in _METHODS if (root / quality).is_dir()]
    if not found:
        not_there(root / "higher_quality", LAYOUT)
    fakes = [_fake(root, path) for folder in found for path in videos_below(folder)]
    if not vidtimit:
        logging.warning(
            "%s holds forgeries only: give the originals with --option vidtimit=DIR; without them "
            "there is a detection rate, but no AUC",
            root,
        )
        return fakes
    originals = pathlib.Path(vidtimit)
    if not originals.is_dir():
        not_there(originals, "VidTIMIT's <subject>/video/<sentence>/ and <subject>/audio/")
    sentences = dict.fromkeys(fake.pair_id for fake in fakes)
    return fakes + [_real(originals, *sentence.split("/")) for sentence in sentences]


def _fake(root: pathlib.Path, path: pathlib.Path) -> ClipSource:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise UserError(f"{path} is not named <sentence>-video-<donor>.avi")
    quality, subject = path.parent.parent.name, path.parent.name
    return ClipSource(
        path=path,
        key=printable(path.relative_to(root).as_posix()),
        dataset="dftimit",
        audio_path=path.with_name(f"{match['sentence']}.wav"),
        source_ids=(subject, match["donor"]),
        pair_id=f"{subject}/{match['sentence']}",
        label_video=FAKE,
        label_audio=REAL,
        method_video=_METHODS[quality],
        method_audio="none",
        expects_video=True,
        expects_audio=True,
        provenance={"quality": quality},
    )


def _real(root: pathlib.Path, subject: str, sentence: str) -> ClipSource:
    frames = root / subject / "video" / sentence
    wav: pathlib.Path | None = root / subject / "audio" / f"{sentence}.wav"
    videos = [frames.with_name(f"{sentence}.avi"), root / subject / f"{sentence}.avi"]
    path = next((video for video in videos if video.is_file()), frames)
    if path != frames and not wav.is_file():
        wav = None  # such copies put the sound into the avi
    return genuine_talk(
        path=path,
        key=f"vidtimit/{subject}/{sentence}",
        dataset="dftimit",
        audio_path=wav,
        source_ids=(subject,),
        pair_id=f"{subject}/{sentence}",
    )
