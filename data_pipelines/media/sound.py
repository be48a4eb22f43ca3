"""Reads all sound of a file to 16 kHz mono, each sample where its timestamp says.

Sound is held whole: 32 kB a second. Decoders give it block after block; what their timestamps say
beyond that (pieces that overlap, holes, a clock that starts anew) is put right when all is read.
Knows nothing of pictures, windows or labels.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

import av
import numpy as np
from jaxtyping import Float32, Float64, Int16

from data_pipelines.media.container import audio_stream, open_container, sounds
from data_pipelines.media.decode import decoded_frames
from data_pipelines.media.settings import MediaLimits
from data_pipelines.records.clip import SAMPLE_RATE

# Sound may be this far from its timestamps: containers round them to milliseconds, recorders stamp
# blocks as they come. Speech and lips tolerate four times as much.
_TOLERANCE_S = 0.01
_MEDIAN_BLOCKS = 5  # a wrong timestamp or two among so many move nothing
_NEW_CLOCK_S = 1.0  # stamps that fall back by more than this start anew: the sound goes on
_CANCELLED = 0.1  # of a channel's amplitude; a mix below it has lost what the channel says
_FULL_SCALE = 32768
# What states something else is no sound. A second at 1 Hz would become 16,000 times as large.
_RATES = range(1000, 1_000_001)  # Hz
_MOST_CHANNELS = 64


@dataclasses.dataclass(frozen=True)
class AudioTrack:
    """All sound of a file.

    Attributes:
        samples: mono, 16 kHz, 16-bit.
        start_s: when the first sample sounds, on the container's time axis.
        facts: what it was and what was put right, as provenance: `audio_streams`, `audio_channels`,
            `audio_mix`, `audio_cut_ms`, `audio_filled_ms`, `audio_residual_ms`.
        restarts: seconds that were added to the timestamps each time that they started anew.
    """

    samples: Int16[np.ndarray, " s"]
    start_s: float
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    restarts: tuple[float, ...] = ()

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE

    def between(self, start_s: float, end_s: float) -> tuple[Int16[np.ndarray, " n"], float]:
        """The samples sounding in [start_s, end_s) and the seconds by which they start late."""
        first = round((start_s - self.start_s) * SAMPLE_RATE)
        last = first + round((end_s - start_s) * SAMPLE_RATE)
        samples = self.samples[max(first, 0) : max(last, 0)]
        return samples, (max(-first, 0) / SAMPLE_RATE if len(samples) else 0.0)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where blocks of decoded sound belong.

    Attributes:
        pieces: (position in the decoded sound, time on the container's axis) in seconds of each
            stretch that lies together; positions increase.
        residual_s: the largest distance left between a block and its own timestamp, wrong ones
            included.
        restarts: seconds added to the timestamps each time that they started anew.
    """

    pieces: list[tuple[float, float]]
    residual_s: float
    restarts: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class _Decoded:
    """Sound as it comes: `positions` and `stamps` in seconds of each block, NaN where unstamped."""

    samples: Int16[np.ndarray, " s"]
    positions: Float64[np.ndarray, " n"]
    stamps: Float64[np.ndarray, " n"]
    cancelled: bool
    facts: dict[str, str]


def read_audio(path: pathlib.Path, limits: MediaLimits) -> AudioTrack | None:
    """All sound of a file, channels mixed; None without a sound stream or if none of it decodes.

    Floats beyond [-1, 1] saturate (decoders do produce them). What overlaps by its timestamps is
    cut, what is missing is silent, so that sound stays within 10 ms of its timestamps. Two channels
    that cancel each other are not mixed: the left one is taken.

    Raises:
        MediaError: as `open_container`; too_large beyond `max_seconds`.
    """
    decoded = _decode(path, limits, mixed=True)
    if decoded is None:
        return None
    mix = "left of two in opposite phase" if decoded.cancelled else ""
    if decoded.cancelled:
        decoded = _decode(path, limits, mixed=False) or decoded
    layout = lay_out(decoded.positions, decoded.stamps)
    samples, cut, filled = _laid(decoded.samples, layout, limits)
    facts = decoded.facts | {
        "audio_mix": mix,
        "audio_cut_ms": f"{cut:.0f}",
        "audio_filled_ms": f"{filled:.0f}",
        "audio_residual_ms": f"{1000 * layout.residual_s:.0f}",
    }
    if not samples.size:
        return None
    return AudioTrack(samples, layout.pieces[0][1], facts, layout.restarts)


def lay_out(positions: Float64[np.ndarray, " n"], stamps: Float64[np.ndarray, " n"]) -> Layout:
    """Where blocks belong whose timestamps may be jittery, wrong one by one, or missing.

    A step in the difference of timestamp and position that lasts is one: there a new piece begins.
    What does not last is a wrong timestamp.

    Args:
        positions: seconds of sound before each block, from 0.
        stamps: seconds; NaN where there is none.
    """
    offsets = _filled(stamps - positions)
    steady = _running_median(offsets)
    now = offsets[0] if abs(offsets[0] - steady[0]) <= _TOLERANCE_S else steady[0]
    pieces, restarts, residual = [(0.0, float(now))], [0.0], 0.0
    for position, own, offset in zip(positions, offsets, steady, strict=True):
        if offset + restarts[-1] - now < -_NEW_CLOCK_S:
            restarts.append(float(now - offset))
        if abs(offset + restarts[-1] - now) > _TOLERANCE_S:
            now = offset + restarts[-1]
            pieces.append((float(position), float(position + now)))
        residual = max(residual, abs(own + restarts[-1] - now))
    return Layout(pieces, float(residual), tuple(restarts[1:]))


def _filled(offsets: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Blocks without a timestamp follow the one before; those in front of all others start at 0."""
    known = np.isfinite(offsets)
    if not known.any():
        return np.zeros_like(offsets)
    last = np.maximum.accumulate(np.where(known, np.arange(len(offsets)), np.argmax(known)))
    return offsets[last]


def _running_median(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Over `_MEDIAN_BLOCKS`, mirrored at the ends so that the first value counts once there."""
    reach = min(_MEDIAN_BLOCKS // 2, len(values) - 1)
    padded = np.pad(values, reach, mode="reflect") if reach else values
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)


def _laid(
    samples: Int16[np.ndarray, " s"], layout: Layout, limits: MediaLimits
) -> tuple[Int16[np.ndarray, " n"], float, float]:
    """The samples in their places, and how many milliseconds were cut and filled."""
    start = layout.pieces[0][1]
    ends = [position for position, _ in layout.pieces[1:]] + [len(samples) / SAMPLE_RATE]
    parts, length, cut, filled = [], 0, 0, 0
    for (position, time), end in zip(layout.pieces, ends, strict=True):
        limits.check_seconds(time - start)
        piece = samples[round(position * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
        hole = round((time - start) * SAMPLE_RATE) - length
        overlap = min(max(-hole, 0), len(piece))
        parts += [np.zeros(max(hole, 0), np.int16), piece[overlap:]]
        length += max(hole, 0) + len(piece) - overlap
        cut, filled = cut + overlap, filled + max(hole, 0)
    return np.concatenate(parts), 1000 * cut / SAMPLE_RATE, 1000 * filled / SAMPLE_RATE


def _decode(path: pathlib.Path, limits: MediaLimits, mixed: bool) -> _Decoded | None:
    """All blocks, resampled without a break; the channels mixed, or the first one alone."""
    chunks: list[Int16[np.ndarray, " n"]] = []
    positions, stamps = [], []
    seconds, energy, heard, resampler = 0.0, 0.0, 0.0, _resampler()
    with open_container(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return None
        facts = {
            "audio_streams": str(len(sounds(container))),
            "audio_channels": str(stream.codec_context.layout.nb_channels),
        }
        for frame in decoded_frames(container, stream):
            channels = frame.layout.nb_channels
            if frame.sample_rate not in _RATES or channels > _MOST_CHANNELS:
                continue
            positions.append(seconds)
            stamps.append(np.nan if frame.time is None else frame.time)
            seconds += frame.samples / frame.sample_rate
            limits.check_seconds(seconds)
            if channels == 2:
                left = _left(frame)
                energy += float(left @ left) / frame.sample_rate
                frame = frame if mixed else _mono(frame, left)
            chunk, resampler = _resample(resampler, frame)
            heard += float(np.square(chunk, dtype=np.float32).sum())
            chunks.append(chunk)
    if not positions:
        return None
    samples = np.concatenate([*chunks, _drained(resampler)])
    mix = heard / (SAMPLE_RATE * _FULL_SCALE**2)
    cancelled = mixed and mix < _CANCELLED**2 * energy
    return _Decoded(samples, np.array(positions), np.array(stamps), cancelled, facts)


def _left(frame: av.AudioFrame) -> Float32[np.ndarray, " n"]:
    """The first of two channels, full scale at 1."""
    values = frame.to_ndarray()
    left = values[0] if frame.format.is_planar else values[0, ::2]
    if left.dtype == np.uint8:
        return (left - np.float32(128)) / 128
    scale = np.iinfo(str(left.dtype)).max if left.dtype.kind == "i" else 1
    return left.astype(np.float32) / np.float32(scale)


def _mono(frame: av.AudioFrame, values: Float32[np.ndarray, " n"]) -> av.AudioFrame:
    mono = av.AudioFrame.from_ndarray(values[None], format="flt", layout="mono")
    mono.sample_rate, mono.pts, mono.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mono


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _resample(
    resampler: av.AudioResampler, frame: av.AudioFrame
) -> tuple[Int16[np.ndarray, " n"], av.AudioResampler]:
    """One block in, what is ready out; with the resampler that takes the next."""
    try:
        return _joined(resampler.resample(frame)), resampler
    except ValueError:  # the stream changes its rate or channels midway
        rest, fresh = _drained(resampler), _resampler()
        return np.concatenate([rest, _joined(fresh.resample(frame))]), fresh


def _drained(resampler: av.AudioResampler) -> Int16[np.ndarray, " n"]:
    return _joined(resampler.resample(None))


def _joined(frames: list[av.AudioFrame]) -> Int16[np.ndarray, " n"]:
    return np.concatenate([np.zeros(0, np.int16), *(part.to_ndarray()[0] for part in frames)])
