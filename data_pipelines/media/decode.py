"""Decodes one file's picture to 25 frames a second on the container's time axis (sound: `sound`).

Frames are streamed, never collected, so that memory does not grow with a video's length. Knows
nothing of faces, windows or labels.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorTrc
from jaxtyping import UInt8

from data_pipelines.media.container import moving_pictures, open_container, video_stream
from data_pipelines.media.errors import MediaError
from data_pipelines.media.filters import deinterlaced
from data_pipelines.media.picture import PictureConverter, orientation
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.stamps import Clock
from data_pipelines.records.clip import FRAME_RATE

_TRANSFERS = {int(curve): curve.name.lower() for curve in ColorTrc}


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """One frame of the 25 Hz grid.

    Attributes:
        time_s: the grid point, on the container's time axis.
        image: RGB, upright.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]


def read_video(
    path: pathlib.Path,
    limits: MediaLimits,
    facts: dict[str, str] | None = None,
    restarts: Sequence[float] = (),
) -> Iterator[VideoFrame]:
    """Yields the frames of the 25 Hz grid that starts at the first frame.

    Each grid point shows the source frame whose timestamp is nearest, so a higher rate drops
    frames, a lower or variable one repeats them (the same array), and none is blended. A cut file
    yields what can be decoded; a frame that its decoder calls damaged is left out, as if it had
    been lost.

    Args:
        path: the file.
        limits: what it may cost.
        facts: takes what was put right, as provenance, when all frames are read: `pixel_aspect`,
            `orientation` (EXIF's number), `scan`, `transfer`, `video_streams`, `stamps_mended`.
        restarts: of the file's `AudioTrack`.

    Raises:
        MediaError: as `open_container`; too_large beyond a limit. No frame at all is no error.
    """
    facts = {} if facts is None else facts
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            return
        converter = PictureConverter(stream.sample_aspect_ratio, limits)
        clock = Clock(1 / _rate(stream), restarts)
        wide, high = converter.pixel_aspect.as_integer_ratio()
        facts |= {
            "pixel_aspect": f"{wide}:{high}",
            "orientation": "1",
            "video_streams": str(len(moving_pictures(container))),
        }
        frames = _within_limits(decoded_frames(container, stream), limits)
        frames = _noted(frames, facts)
        timed = clock.timed(_stamped(frames, container, stream))
        yield from _on_grid(deinterlaced(timed, facts), converter, limits)
        facts["stamps_mended"] = str(clock.mended)


def _on_grid(
    timed: Iterator[tuple[float, av.VideoFrame]], converter: PictureConverter, limits: MediaLimits
) -> Iterator[VideoFrame]:
    """The frames nearest to the grid's points; the last is shown as long as the one before it."""
    start, index = 0.0, 0
    previous: tuple[float, av.VideoFrame] | None = None
    period = 1 / FRAME_RATE
    for time, frame in timed:
        if previous is None:
            start = time
        else:
            limits.check_seconds(time - start)
            limits.check_still(time - previous[0])
            middle = (previous[0] + time) / 2
            count = max(int(np.ceil((middle - start) * FRAME_RATE - 1e-6)) - index, 0)
            yield from _repeat(previous[1], converter, start, index, count, limits)
            index += count
            period = time - previous[0]
        previous = time, frame
    if previous is not None:
        end = previous[0] + min(period, 1.0)
        count = max(int(np.ceil((end - start) * FRAME_RATE - 1e-6)) - index, 1 - min(index, 1))
        yield from _repeat(previous[1], converter, start, index, count, limits)


def _noted(frames: Iterator[av.VideoFrame], facts: dict[str, str]) -> Iterator[av.VideoFrame]:
    """Passes frames on and notes what the first one declares of itself."""
    for index, frame in enumerate(frames):
        if index == 0:
            facts["orientation"] = str(orientation(frame).exif)
            facts["transfer"] = _TRANSFERS.get(int(frame.color_trc), "unspecified")
        yield frame


def _stamped(
    frames: Iterator[av.VideoFrame], container: InputContainer, stream: av.VideoStream
) -> Iterator[tuple[float | None, av.VideoFrame]]:
    """Frames with the container's timestamps in seconds.

    AVI has none of presentation: what FFmpeg gives is late by the decoder's delay and, with
    B-frames, out of order; the frame's index over the rate says it. Its first frame is at 0.
    """
    avi = container.format.name == "avi"
    by_index = avi and bool(stream.codec_context.has_b_frames)
    delay = 0.0
    for index, frame in enumerate(frames):
        if avi and index == 0:
            delay = frame.time or 0.0
        if by_index:
            yield index / _rate(stream), frame
        else:
            yield None if frame.time is None else frame.time - delay, frame


def _rate(stream: av.VideoStream) -> float:
    return float(stream.average_rate or stream.guessed_rate or FRAME_RATE)


def _within_limits(frames: Iterator[av.VideoFrame], limits: MediaLimits) -> Iterator[av.VideoFrame]:
    decoded = 0
    for frame in frames:
        limits.check_frame(frame.width, frame.height)
        decoded += 3 * frame.width * frame.height
        if decoded > limits.max_decoded_bytes:
            raise MediaError("too_large", f"over {limits.max_decoded_bytes} decoded bytes")
        if not frame.is_corrupt:
            yield frame


def decoded_frames(
    container: InputContainer, stream: av.VideoStream | av.AudioStream
) -> Iterator[Any]:
    """Decodes one stream on one thread; broken packets are passed over, a broken file ends it."""
    stream.codec_context.thread_count = 1  # preparation runs one process a core
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError, IndexError):  # the last: a stream that no header named
            return
        try:
            yield from packet.decode()
        except FFmpegError:
            continue


def _repeat(
    frame: av.VideoFrame,
    converter: PictureConverter,
    start: float,
    index: int,
    count: int,
    limits: MediaLimits,
) -> Iterator[VideoFrame]:
    """`count` grid points showing one frame, which is converted to RGB only if it is shown."""
    if count <= 0:
        return
    limits.check_seconds((index + count) / FRAME_RATE)
    image = converter.rgb(frame)
    for point in range(index, index + count):
        yield VideoFrame(start + point / FRAME_RATE, image)
