"""Decodes one file to 25 frames a second and 16 kHz mono, both on the container's time axis.

Frames are streamed, never collected, so that memory does not grow with a video's length. Sound is
held whole: 32 kB a second. Knows nothing of faces, windows or labels.
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
from jaxtyping import Int16, UInt8

from data_pipelines.media.container import audio_stream, open_container, video_stream
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

# Sound is put back where its timestamp says once it is this far off; smaller deviations are jitter.
_AUDIO_GAP_S = 0.1


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """One frame of the 25 Hz grid.

    Attributes:
        time_s: the grid point, on the container's time axis.
        image: RGB, upright.
    """

    time_s: float
    image: UInt8[np.ndarray, "h w 3"]


@dataclasses.dataclass(frozen=True)
class AudioTrack:
    """All sound of a file.

    Attributes:
        samples: mono, 16 kHz, 16-bit.
        start_s: when the first sample sounds, on the container's time axis.
    """

    samples: Int16[np.ndarray, " s"]
    start_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE

    def between(self, start_s: float, end_s: float) -> tuple[Int16[np.ndarray, " n"], float]:
        """The samples sounding in [start_s, end_s) and the seconds by which they start late."""
        first = round((start_s - self.start_s) * SAMPLE_RATE)
        last = first + round((end_s - start_s) * SAMPLE_RATE)
        samples = self.samples[max(first, 0) : max(last, 0)]
        return samples, (max(-first, 0) / SAMPLE_RATE if len(samples) else 0.0)


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


def read_audio(path: pathlib.Path, limits: MediaLimits) -> AudioTrack | None:
    """All sound of a file, channels mixed; None without a sound stream or if none of it decodes.

    Floats beyond [-1, 1] saturate (decoders do produce them). Holes in the timestamps are filled
    with zeros, so that what follows stays in time with the picture.

    Raises:
        MediaError: as `open_container`; too_large beyond `max_seconds`.
    """
    chunks: list[Int16[np.ndarray, " n"]] = []
    start, length, resampler = None, 0, _resampler()
    with open_container(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return None
        for frame in _decoded(container, stream):
            time = frame.time if frame.time is not None else (start or 0.0) + length / SAMPLE_RATE
            start = time if start is None else start
            limits.check_seconds(time - start)
            hole = round((time - start) * SAMPLE_RATE) - length
            if hole > _AUDIO_GAP_S * SAMPLE_RATE:
                rest = _resample(resampler, None)
                hole -= len(rest)
                chunks += [rest, np.zeros(max(hole, 0), np.int16)]
                length += len(rest) + max(hole, 0)
                resampler = _resampler()
            chunks.append(_resample(resampler, frame))
            length += len(chunks[-1])
            limits.check_seconds(length / SAMPLE_RATE)
    if start is None:
        return None
    chunks.append(_resample(resampler, None))
    samples = np.concatenate(chunks)
    return AudioTrack(samples, float(start)) if samples.size else None


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
        for index, frame in enumerate(_decoded(container, stream)):
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


def _decoded(container: InputContainer, stream: av.VideoStream | av.AudioStream) -> Iterator[Any]:
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


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _resample(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Int16[np.ndarray, " n"]:
    """One frame in, what is ready out; None drains the resampler's tail."""
    try:
        parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    except ValueError:  # the stream changed its format midway: leave the rest out
        parts = []
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)
