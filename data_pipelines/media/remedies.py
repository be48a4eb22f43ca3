"""Cures for shortcuts, the same for every clip: one H.264 pass, no silent ends, one loudness.

Owns what is done to frames and samples; whether it is done is `PrepareSettings`' to say. Knows
nothing of labels: a cure that saw them would be a shortcut itself.
"""

import collections
import fractions
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Int16

from data_pipelines.media.decode import VideoFrame
from data_pipelines.media.sound import AudioTrack
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

# Of full scale: the first sample beyond it is the probe that tells FakeAVCeleb's classes apart.
SILENCE = 5e-4

_PIXELS = 854 * 480  # of a re-encoded frame, whatever its shape
_SIDES = (16, 4096)
_MOST_GAIN = 100.0  # 40 dB: a recording of nothing stays nothing
_FULL_SCALE = 32768


class Span(NamedTuple):
    """A stretch of time on the container's axis, in seconds."""

    start_s: float
    end_s: float

    def holds(self, frame: VideoFrame) -> bool:
        """Is the frame shown within it from beginning to end?"""
        slack = 1e-6
        end = frame.time_s + 1 / FRAME_RATE
        return self.start_s - slack <= frame.time_s and end <= self.end_s + slack


def sounding_span(audio: AudioTrack) -> Span | None:
    """From the first sample beyond `SILENCE` to the last; None where there is none."""
    loud = np.flatnonzero(np.abs(audio.samples.astype(np.int32)) > SILENCE * _FULL_SCALE)
    if not loud.size:
        return None
    first, last = audio.start_s + loud[[0, -1]] / SAMPLE_RATE
    return Span(float(first), float(last))


def reencoded(frames: Iterable[VideoFrame], crf: int) -> Iterator[VideoFrame]:
    """The frames after one pass of H.264 at 25 frames/s and a fixed number of pixels.

    Frames are encoded and decoded as they come: some tens are in flight, whatever the length.

    Args:
        frames: of the 25 Hz grid; all take the first one's shape.
        crf: constant rate factor, 1 (best) to 51.
    """
    encoder: av.VideoCodecContext | None = None
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1  # preparation runs one process a core
    scaler, times = VideoReformatter(), collections.deque[float]()

    def shown(packets: Iterable[av.Packet]) -> Iterator[VideoFrame]:
        for packet in packets:
            for picture in decoder.decode(packet):
                yield VideoFrame(times.popleft(), picture.to_ndarray(format="rgb24"))

    for index, frame in enumerate(frames):
        encoder = encoder or _encoder(frame.image.shape, crf)
        picture = scaler.reformat(
            av.VideoFrame.from_ndarray(frame.image, format="rgb24"),
            width=encoder.width, height=encoder.height, format="yuv420p", threads=1,
        )  # fmt: skip
        picture.pts, picture.time_base = index, encoder.time_base
        times.append(frame.time_s)
        yield from shown(encoder.encode(picture))
    if encoder is not None:
        yield from shown(encoder.encode(None))
        for picture in decoder.decode(None):
            yield VideoFrame(times.popleft(), picture.to_ndarray(format="rgb24"))


def at_loudness(samples: Int16[np.ndarray, " s"], dbfs: float) -> Int16[np.ndarray, " s"]:
    """Samples whose root mean square is `dbfs` decibels of full scale; peaks beyond it saturate."""
    values = samples.astype(np.float64)
    level = np.sqrt((values**2).mean()) if len(values) else 0.0
    if not level:
        return samples
    gain = min(10 ** (dbfs / 20) * _FULL_SCALE / level, _MOST_GAIN)
    return np.clip(np.round(values * gain), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _encoder(shape: tuple[int, ...], crf: int) -> av.VideoCodecContext:
    height, width = shape[:2]
    scale = (_PIXELS / (height * width)) ** 0.5
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height = (
        int(np.clip(round(side * scale / 2) * 2, *_SIDES)) for side in (width, height)
    )
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = fractions.Fraction(FRAME_RATE)
    encoder.time_base = fractions.Fraction(1, FRAME_RATE)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "medium"}
    return encoder
