"""Decodes one file's picture to 25 frames a second on the container's time axis (sound: `sound`).

Frames are streamed, never collected, so that memory does not grow with a video's length. Knows
nothing of faces, windows or labels.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8

from data_pipelines.media.container import open_container, video_stream
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.records.clip import FRAME_RATE


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """One frame of the 25 Hz grid.

    Attributes:
        time_s: the grid point, on the container's time axis.
        image: RGB, upright.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]


def read_video(path: pathlib.Path, limits: MediaLimits) -> Iterator[VideoFrame]:
    """Yields the frames of the 25 Hz grid that starts at the first frame.

    Each grid point shows the source frame whose timestamp is nearest, so a higher rate drops
    frames, a lower or variable one repeats them (the same array), and none is blended. A cut file
    yields what can be decoded.

    Raises:
        MediaError: as `open_container`; too_large beyond a limit. No frame at all is no error.
    """
    start, index = 0.0, 0
    previous: tuple[float, av.VideoFrame] | None = None
    converter = VideoReformatter()  # one for all frames: setting it up costs as much as using it
    period = 1 / FRAME_RATE
    for time, frame in _timed_frames(path, limits):
        if previous is None:
            start = time
        else:
            middle = (previous[0] + time) / 2
            count = max(int(np.ceil((middle - start) * FRAME_RATE - 1e-6)) - index, 0)
            yield from _repeat(previous[1], converter, start, index, count, limits)
            index += count
            period = time - previous[0]
        limits.check_seconds(time - start)
        previous = time, frame
    if previous is not None:  # the last frame is shown as long as the one before it
        end = previous[0] + min(period, 1.0)
        count = max(int(np.ceil((end - start) * FRAME_RATE - 1e-6)) - index, 1 - min(index, 1))
        yield from _repeat(previous[1], converter, start, index, count, limits)


def _timed_frames(path: pathlib.Path, limits: MediaLimits) -> Iterator[tuple[float, av.VideoFrame]]:
    """Source frames with strictly increasing times in seconds.

    Where timestamps are absent or do not increase, the frame's index over the rate takes over from
    there on. AVI has none of presentation: what FFmpeg gives is late by the decoder's delay and,
    with B-frames, out of order. Its first frame is at 0.
    """
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            return
        rate = float(stream.average_rate or stream.guessed_rate or FRAME_RATE)
        avi = container.format.name == "avi"
        by_index = avi and bool(stream.codec_context.has_b_frames)
        start, delay, last, decoded = 0.0, 0.0, -np.inf, 0
        for index, frame in enumerate(decoded_frames(container, stream)):
            limits.check_frame(frame.width, frame.height)
            decoded += 3 * frame.width * frame.height
            if decoded > limits.max_decoded_bytes:
                raise MediaError("too_large", f"over {limits.max_decoded_bytes} decoded bytes")
            if index == 0:
                first = frame.time or 0.0
                start, delay = (0.0, first) if avi else (first, 0.0)
            time = None if frame.time is None else frame.time - delay
            if by_index or time is None or time <= last:
                by_index = True
                time = start + index / rate
            if time > last:  # after the change of clock the first few may still lie in the past
                last = time
                yield time, frame


def decoded_frames(
    container: InputContainer, stream: av.VideoStream | av.AudioStream
) -> Iterator[Any]:
    """Decodes one stream on one thread; broken packets are passed over, a broken file ends it."""
    stream.codec_context.thread_count = 1  # preparation runs one process a core
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError):
            return
        try:
            yield from packet.decode()
        except FFmpegError:
            continue


def _repeat(
    frame: av.VideoFrame,
    converter: VideoReformatter,
    start: float,
    index: int,
    count: int,
    limits: MediaLimits,
) -> Iterator[VideoFrame]:
    """`count` grid points showing one frame, which is converted to RGB only if it is shown."""
    if count <= 0:
        return
    limits.check_seconds((index + count) / FRAME_RATE)
    image = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    if turns := round(frame.rotation / 90) % 4:  # telephones store how they were held
        image = np.ascontiguousarray(np.rot90(image, turns))
    for point in range(index, index + count):
        yield VideoFrame(start + point / FRAME_RATE, image)
