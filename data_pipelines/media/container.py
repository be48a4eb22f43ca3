"""Opens a media file and says what is in it, within limits that hold for hostile files too.

Owns the formats we read, the limits and the facts about a file. Decodes nothing (see `decode`).
"""

import dataclasses
import pathlib
import re
from typing import Any, TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.records.content import file_sha256

# Demuxers of single self-contained files. Playlists (hls, dash, concat) are absent on purpose: a
# text file could make them read other files or the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    *("avi", "mpeg", "mpegts", "mpegvideo", "m4v", "h264", "hevc", "flv", "asf", "ogg", "mxf"),
    *("yuv4mpegpipe", "dv", "nut", "wav", "w64", "aiff", "flac", "mp3", "aac", "amr", "caf"),
)

# How a photo begins -> its demuxer, which reads this file and no series of files named alike.
_PHOTOS = {
    re.compile(rb"\xff\xd8\xff"): "jpeg_pipe",
    re.compile(rb"\x89PNG\r\n\x1a\n"): "png_pipe",
    re.compile(rb"RIFF....WEBP", re.S): "webp_pipe",
}

_STATE_THEIR_END = ("matroska,webm", "nut", "asf", "ogg")

# Up to version 18, PyAV refuses files whose title is not UTF-8 unless told otherwise; since 19 it
# takes them and knows no such option.
_LENIENT_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


Stream = TypeVar("Stream", av.VideoStream, av.AudioStream)


@dataclasses.dataclass(frozen=True)
class MediaInfo:
    """What a file declares of itself; durations in seconds, 0 where it does not say.

    Attributes:
        size_bytes: of the file.
        sha256: of the file's bytes.
        duration_s: declared by the container; a cut file declares more than it holds.
        video_codec: empty without a video stream; likewise `audio_codec`.
        width, height: of the coded picture in pixels.
        fps: the average rate of the source.
        audio_rate: Hz of the source.
        photo: a single picture.
    """

    size_bytes: int
    sha256: str
    duration_s: float
    video_codec: str
    width: int
    height: int
    fps: float
    audio_codec: str
    audio_rate: int
    photo: bool = False


def open_container(path: pathlib.Path) -> InputContainer:
    """Opens a local file; use it as a context manager.

    Raises:
        MediaError: missing, unreadable, empty, truncated (an mp4 without its index) or not_media.
    """
    try:
        if path.stat().st_size == 0:
            raise MediaError("empty", "the file has no bytes")
        photo = _photo_format(path)
        formats = (photo,) if photo else FORMATS
        # The prefix keeps a name such as `concat:a|b` from being read as a protocol.
        return av.open(
            f"file:{path}",
            format=photo,
            options={"format_whitelist": ",".join(formats), "protocol_whitelist": "file"},
            **_LENIENT_TAGS,
        )
    except FileNotFoundError as error:
        raise MediaError("missing", "no such file") from error
    except (FFmpegError, ValueError) as error:
        if _is_mp4(path):
            raise MediaError("truncated", "an mp4 whose index is cut off or broken") from error
        raise MediaError("not_media", "no audio or video container that we read") from error
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from error


def moving_pictures(container: InputContainer) -> list[av.VideoStream]:
    """The streams of moving pictures that FFmpeg can decode; cover art is none."""
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context and not stream.disposition & Disposition.attached_pic
    ]


def sounds(container: InputContainer) -> list[av.AudioStream]:
    """The sound streams that FFmpeg can decode."""
    return [stream for stream in container.streams.audio if stream.codec_context]


def video_stream(container: InputContainer) -> av.VideoStream | None:
    """The stream of moving pictures that players show; None if there is none."""
    return _default(moving_pictures(container))


def audio_stream(container: InputContainer) -> av.AudioStream | None:
    """The sound stream that players play, or None."""
    return _default(sounds(container))


def _default(streams: list[Stream]) -> Stream | None:
    """The first that the file calls its default, else the first."""
    chosen = (stream for stream in streams if stream.disposition & Disposition.default)
    return next(chosen, streams[0] if streams else None)


def probe(path: pathlib.Path, limits: MediaLimits) -> MediaInfo:
    """Reads the headers and hashes the file.

    Raises:
        MediaError: as `open_container`; no_frames if there is neither picture nor sound;
            too_large if the headers already declare more than the limits allow.
    """
    with open_container(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise MediaError("no_frames", "the file has neither a picture nor a sound stream")
        info = MediaInfo(
            size_bytes=path.stat().st_size,
            sha256=_sha256(path),
            duration_s=_duration_s(container),
            video_codec=video.codec_context.name if video else "",
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            fps=float(video.average_rate or video.guessed_rate or 0) if video else 0.0,
            audio_codec=audio.codec_context.name if audio else "",
            audio_rate=audio.codec_context.sample_rate if audio else 0,
            photo=container.format.name in _PHOTOS.values(),
        )
    limits.check_frame(info.width, info.height)
    limits.check_seconds(info.duration_s)
    return info


def _duration_s(container: InputContainer) -> float:
    """Of what is there: some containers state when they end, though they begin hours after 0."""
    stated = container.duration or 0
    begun = (container.start_time or 0) if container.format.name in _STATE_THEIR_END else 0
    return max(stated - max(begun, 0), 0) / av.time_base


def _photo_format(path: pathlib.Path) -> str | None:
    """The demuxer of a photo; None for everything else."""
    with path.open("rb") as file:
        begin = file.read(12)
    return next((name for begins, name in _PHOTOS.items() if begins.match(begin)), None)


def _is_mp4(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _sha256(path: pathlib.Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from error
