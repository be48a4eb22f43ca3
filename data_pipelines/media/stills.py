"""A folder of numbered JPEG pictures as a video of 25 frames a second (VidTIMIT).

Owns which files of a folder are frames and when they are shown. Gives what `container` and `decode`
give for a file; a folder has no sound.
"""

import hashlib
import pathlib
import re
from collections.abc import Iterator

import simplejpeg

from data_pipelines.media.container import MediaInfo
from data_pipelines.media.decode import VideoFrame
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.records.clip import FRAME_RATE

_FRAME_NAME = re.compile(r"(\d+)(\.jpe?g)?", re.IGNORECASE)  # VidTIMIT's have no extension


def frame_files(folder: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """The frames' numbers from 0 on, a hole in the names left as one, and their files, in order.

    Raises:
        MediaError: empty: no file is named by a number; unreadable: the folder cannot be read.
    """
    try:
        names = [
            (match, path)
            for path in folder.iterdir()
            if (match := _FRAME_NAME.fullmatch(path.name)) is not None
        ]
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from error
    if not names:
        raise MediaError("empty", "no JPEG files named by number, such as 001, in the folder")
    numbered = sorted((int(match[1]), path) for match, path in names)
    return [(number - numbered[0][0], path) for number, path in numbered]


def probe_stills(folder: pathlib.Path, limits: MediaLimits) -> MediaInfo:
    """Hashes the pictures in order and reads the first one's size.

    Raises:
        MediaError: as `frame_files`; not_media if the first picture is no JPEG; too_large if the
            limits do not allow so many frames or such a size.
    """
    files = frame_files(folder)
    duration = (files[-1][0] + 1) / FRAME_RATE
    limits.check_seconds(duration)
    digest, size = hashlib.sha256(), 0
    for _, path in files:
        data = _bytes(path)
        digest.update(data)
        size += len(data)
    try:
        height, width = _size(_bytes(files[0][1]))
    except ValueError as error:
        raise MediaError("not_media", f"{files[0][1].name} is no JPEG picture") from error
    limits.check_frame(width, height)
    return MediaInfo(
        size_bytes=size,
        sha256=digest.hexdigest(),
        duration_s=duration,
        video_codec="jpeg",
        width=width,
        height=height,
        fps=float(FRAME_RATE),
        audio_codec="",
        audio_rate=0,
    )


def read_stills(folder: pathlib.Path, limits: MediaLimits) -> Iterator[VideoFrame]:
    """Yields the frames of the 25 Hz grid; for one that is missing or broken, the one before it.

    Raises:
        MediaError: as `frame_files`; too_large beyond a limit. No frame at all is no error.
    """
    image, index, decoded = None, 0, 0
    for number, path in frame_files(folder):
        limits.check_seconds(number / FRAME_RATE)
        limits.check_still((number - index) / FRAME_RATE)
        data = _bytes(path)
        try:
            height, width = _size(data)
            limits.check_frame(width, height)
            picture = simplejpeg.decode_jpeg(data, "RGB")
        except ValueError:
            continue
        decoded += picture.nbytes
        if decoded > limits.max_decoded_bytes:
            raise MediaError("too_large", f"over {limits.max_decoded_bytes} decoded bytes")
        while image is not None and index < number:
            yield VideoFrame(index / FRAME_RATE, image)
            index += 1
        image, index = picture, number
        yield VideoFrame(index / FRAME_RATE, image)
        index += 1


def _size(jpeg: bytes) -> tuple[int, int]:
    """Height and width that a picture declares; ValueError if it is no JPEG."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    return int(height), int(width)


def _bytes(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from error
