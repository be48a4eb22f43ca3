"""Real encoders in memory, through PyAV: H.264, HEVC, MP3, AAC, Opus and those of telephones.

Owns what makes them repeat byte for byte, and the delays that they add to sound. x264's AVX-512
code writes other bytes on every run, hence plain C; FFmpeg's colour conversion rounds differently
on different processors, hence OpenCV's.
"""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal

import av
import cv2
import numpy as np
import scipy  # loads `scipy.signal`, a second of work, when it is first used
from jaxtyping import Int16, UInt8

from data_pipelines.errors import UserError
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

Frames = UInt8[np.ndarray, "t h w 3"]
Sound = Int16[np.ndarray, " s"]

X264 = {"preset": "superfast", "x264-params": "asm=0:mbtree=0:threads=1"}
X265 = {"preset": "superfast", "x265-params": "asm=0:pools=none:frame-threads=1:log-level=none"}
_PICTURE = {"libx264": ("h264", X264), "libx265": ("hevc", X265)}  # decoder, settings
_SOUND = {"aac": ("aac", 1024), "libmp3lame": ("mp3float", 0), "libopus": ("libopus", 0)}
_LONGEST_DELAY = 2048  # samples behind the sound, so that its end leaves encoder and decoder, too
_LINE_RATE = 8000  # Hz, of a telephone


def check_encoder(name: str) -> None:
    """Refuses what this FFmpeg cannot encode.

    Raises:
        UserError: it has no encoder of that name.
    """
    try:
        av.Codec(name, "w")
    except ValueError:
        raise UserError(
            f"this build of PyAV has no encoder {name!r}: choose other --kinds, or install PyAV's "
            "own wheel"
        ) from None


def picture_round_trip(frames: Frames, encoder: str, crf: int) -> Frames:
    """Frames at 25 Hz after `libx264` or `libx265`; odd sides are padded and cut again.

    Args:
        frames: RGB.
        encoder: its name in FFmpeg.
        crf: constant rate factor, 0 best to 51.
    """
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    decoder_name, settings = _PICTURE[encoder]
    context = _context(encoder, "w")
    context.height, context.width = even.shape[1:3]
    context.pix_fmt, context.thread_count = "yuv420p", 1
    context.framerate, context.time_base = Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)
    context.options = settings | {"crf": str(crf)}
    decoder = _context(decoder_name, "r")
    decoder.thread_count = 1
    packets = [packet for image in video_frames(even) for packet in context.encode(image)]
    shown = [
        cv2.cvtColor(image.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
        for packet in (*packets, *context.encode(None), None)
        for image in decoder.decode(packet)
    ]
    return np.stack(shown)[:, :height, :width]


def video_frames(frames: Frames) -> Iterator[av.VideoFrame]:
    """RGB frames of even sides as encoders take them, 25 a second."""
    for index, frame in enumerate(frames):
        planes = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2YUV_I420)
        image = av.VideoFrame.from_ndarray(planes, format="yuv420p")  # type: ignore[arg-type]
        image.pts, image.time_base = index, Fraction(1, FRAME_RATE)
        yield image


def sound_round_trip(sound: Sound, encoder: str, bit_rate: int) -> Sound:
    """Sound at 16 kHz after `aac`, `libmp3lame` or `libopus`, without the encoder's delay.

    Args:
        sound: mono.
        encoder: its name in FFmpeg.
        bit_rate: bits a second.
    """
    decoder_name, delay = _SOUND[encoder]
    context = _context(encoder, "w")
    context.format = context.codec.audio_formats[0].name
    context.sample_rate, context.layout, context.bit_rate = SAMPLE_RATE, "mono", bit_rate
    context.time_base, context.thread_count = Fraction(1, SAMPLE_RATE), 1
    block = audio_block(np.pad(sound, (0, _LONGEST_DELAY)), SAMPLE_RATE)
    packets = [*context.encode(block), *context.encode(None)]
    decoder = _context(decoder_name, "r")
    decoder.sample_rate, decoder.layout = SAMPLE_RATE, "mono"
    if context.extradata:
        decoder.extradata = context.extradata
    heard = [part for packet in (*packets, None) for part in decoder.decode(packet)]
    values = np.concatenate([_values(part) for part in heard])
    values = scipy.signal.resample_poly(values, 1, heard[0].sample_rate // SAMPLE_RATE)
    return to_int16(values[delay : delay + len(sound)])


def telephone_round_trip(sound: Sound, bits: int) -> Sound:
    """Sound at 16 kHz after a telephone line: 8 kHz, 300 to 3400 Hz, G.711 or G.726.

    Args:
        sound: mono.
        bits: a sample: 8 for G.711's mu-law (64 kbit/s), 5 to 2 for G.726 (40 to 16 kbit/s).
    """
    band = scipy.signal.butter(4, (300, 3400), "bandpass", fs=_LINE_RATE, output="sos")
    values = scipy.signal.resample_poly(sound / 32768, 1, SAMPLE_RATE // _LINE_RATE)
    values = scipy.signal.sosfiltfilt(band, values, padlen=min(100, len(values) - 1))
    name, encoder = ("mulaw", "pcm_mulaw") if bits == 8 else ("g726", "g726")
    file = io.BytesIO()
    with av.open(file, "w", format=name) as container:
        stream: Any = container.add_stream(encoder, rate=_LINE_RATE)
        stream.layout, stream.bit_rate = "mono", bits * _LINE_RATE
        container.mux(stream.encode(audio_block(to_int16(values), _LINE_RATE)))
        container.mux(stream.encode(None))
    file.seek(0)
    options = {"sample_rate": str(_LINE_RATE)}
    options |= {} if bits == 8 else {"code_size": str(bits)}
    with av.open(file, "r", format=name, options=options) as container:
        values = np.concatenate([_values(part) for part in container.decode(audio=0)])
    return to_int16(scipy.signal.resample_poly(values, SAMPLE_RATE // _LINE_RATE, 1)[: len(sound)])


def audio_block(sound: Sound, rate: int) -> av.AudioFrame:
    """Mono sound as encoders take it."""
    block = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
    return block


def to_int16(values: np.ndarray) -> Sound:
    """Samples whose full scale is 1 as 16-bit ones; what is beyond it saturates."""
    return np.clip(np.round(values * 32767), -32768, 32767).astype(np.int16)


def _context(name: str, mode: Literal["r", "w"]) -> Any:
    """Of a codec; PyAV's types do not say which of its kinds it is."""
    return av.CodecContext.create(name, mode)


def _values(part: av.AudioFrame) -> np.ndarray:
    """Decoded samples, full scale at 1."""
    values = part.to_ndarray().reshape(-1)
    return values / 32767 if values.dtype == np.int16 else values
