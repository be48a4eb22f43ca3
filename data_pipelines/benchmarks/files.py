"""Which files of a folder are videos or other media, and where the file lies that a list names.

Owns what is passed over, and says it: hidden and left-behind files, suffixes, links in a circle.
Knows no data set; opens no media but to tell a transport stream from TypeScript.
"""

import collections
import logging
import os
import pathlib
import unicodedata
from collections.abc import Collection, Iterator

from data_pipelines.errors import UserError, visible

# What people call files of the formats that are read (`data_pipelines.media.container.FORMATS`).
# FFmpeg's demuxers state only some of them.
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".f4v", ".ismv", ".psp", ".3gp", ".3g2", ".mj2", ".mkv",
    ".mk3d", ".webm", ".avi", ".divx", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob", ".mod",
    ".ts", ".mts", ".m2ts", ".m2t", ".trp", ".tod", ".flv", ".wmv", ".asf", ".ogv", ".ogm",
    ".mxf", ".dv", ".dif", ".y4m", ".nut", ".h264", ".264", ".avc", ".h265", ".265", ".hevc",
})  # fmt: skip

SOUND_SUFFIXES = frozenset({
    ".wav", ".w64", ".flac", ".mp3", ".m4a", ".m4b", ".aac", ".ogg", ".oga", ".opus", ".wma",
    ".aif", ".aiff", ".amr", ".caf", ".mka", ".weba",
})  # fmt: skip
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"})

_LEFT_BEHIND = frozenset({"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir"})
_PACKET, _SYNC = 188, 0x47  # of a transport stream: bytes from one sync byte to the next


def videos_below(folder: pathlib.Path, deep: bool = True) -> list[pathlib.Path]:
    """Every video file below a folder, in the order of their paths; says what it passes over.

    Links are followed; a folder that was seen under another name is not read again.

    Args:
        folder: where to look; one that is not there holds nothing.
        deep: in the folders below, too.

    Raises:
        UserError: a folder cannot be read.
    """
    return _below(folder, deep, VIDEO_SUFFIXES, "videos")


def media_below(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every video, sound and photo below a folder, as `videos_below`."""
    return _below(folder, True, VIDEO_SUFFIXES | SOUND_SUFFIXES | PHOTO_SUFFIXES, "files")


def _below(
    folder: pathlib.Path, deep: bool, suffixes: Collection[str], kind: str
) -> list[pathlib.Path]:
    passed: collections.Counter[str] = collections.Counter()
    found = []
    for path in _files(folder, deep, passed):
        if reason := _reason_against(path, suffixes):
            passed[reason] += 1
        else:
            found.append(path)
    if passed:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(passed.items()))
        passing = f"{folder}: {len(found)} {kind}; passed over: {counts}"
        logging.warning("%s", visible(passing))
    return sorted(found)


def locate(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The file that a list calls `name`, also where the disk writes that name in another way.

    Lists and disks differ in Unicode's composed and decomposed letters, and Windows's lists have
    backslashes. A file that is not there is where the list says.
    """
    path = folder / name
    if path.exists():
        return path
    for separated in (name, name.replace("\\", "/")):
        here = folder
        for part in pathlib.PurePosixPath(separated).parts:
            forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
            here /= next((form for form in forms if (here / form).exists()), part)
        if here.exists():
            return here
    return path


def printable(path: str) -> str:
    """A path as text: what a name holds that is none, and control characters, as escapes.

    Records hold only text. Names that differ stay different.
    """
    return visible(os.fsencode(path).decode("utf-8", "backslashreplace"))


def _files(
    folder: pathlib.Path, deep: bool, passed: collections.Counter[str]
) -> Iterator[pathlib.Path]:
    """The files below a folder, but for folders that are hidden or were read before."""
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        place = pathlib.Path(here).stat()
        if (place.st_dev, place.st_ino) in seen:
            passed["linked folders that were read already"] += 1
            folders.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        kept = sorted(name for name in folders if not _hidden(name)) if deep else []
        if deep and len(kept) < len(folders):
            passed["hidden or left-behind folders"] += len(folders) - len(kept)
        folders[:] = kept
        yield from (pathlib.Path(here, name) for name in names)


def _reason_against(path: pathlib.Path, suffixes: Collection[str]) -> str:
    """Why a file is none of those wanted; empty if it is one."""
    if _hidden(path.name):
        return "hidden or left-behind files"
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        return f"{suffix or 'files without suffix'}"
    if not path.is_file():
        return "links to nothing" if path.is_symlink() else "no files"
    if suffix == ".ts" and not _is_transport_stream(path):
        return "TypeScript or other text called .ts"
    return ""


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_BEHIND


def _is_transport_stream(path: pathlib.Path) -> bool:
    """Do sync bytes follow each other, as in a stream that may begin within a packet?"""
    with path.open("rb") as file:
        head = file.read(4 * _PACKET)
    return len(head) < 3 * _PACKET or any(
        head[start] == head[start + _PACKET] == head[start + 2 * _PACKET] == _SYNC
        for start in range(len(head) - 2 * _PACKET)
    )


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error
