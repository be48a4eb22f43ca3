"""Real codecs, in memory and on disk: JPEG, H.264 and AAC, byte for byte the same every time.

Owns the encoders' settings. x264's AVX-512 code writes other bytes on every run, hence plain C.
"""

import io
import os
from fractions import Fraction

import av
import cv2
import numpy as np
import simplejpeg
from jaxtyping import Int16, UInt8

from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

_X264 = "asm=0:mbtree=0:threads=1"
_AAC_DELAY = 1024  # samples that the encoder puts before the sound


def jpeg_round_trip(
    frames: UInt8[np.ndarray, "t h w 3"], quality: int
) -> UInt8[np.ndarray, "t h w 3"]:
    """The frames after JPEG (4:2:0)."""
    return np.stack([decode_jpeg(encode_jpeg(frame, quality, "420")) for frame in frames])


def encode_jpeg(frame: UInt8[np.ndarray, "h w 3"], quality: int, subsampling: str) -> bytes:
    """One frame as JPEG; subsampling `420` or `444`."""
    contiguous = np.ascontiguousarray(frame)
    return simplejpeg.encode_jpeg(contiguous, quality, "RGB", subsampling, fastdct=False)


def decode_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """The frame in a JPEG."""
    return simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)


def h264_round_trip(frames: UInt8[np.ndarray, "t h w 3"], crf: int) -> UInt8[np.ndarray, "t h w 3"]:
    """The frames after H.264; height and width must be even."""
    file = io.BytesIO()
    write_mp4(file, frames, None, crf=crf, audio_bit_rate=0)
    file.seek(0)
    with av.open(file, "r") as container:
        container.streams.video[0].thread_count = 1
        decoded = [_to_rgb(frame) for frame in container.decode(video=0)]
    return np.stack(decoded)


def aac_round_trip(sound: Int16[np.ndarray, " s"], bit_rate: int) -> Int16[np.ndarray, " s"]:
    """The sound after AAC, without the encoder's delay."""
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as container:
        padded = np.pad(sound, (0, 2 * _AAC_DELAY))
        _encode_sound(container, _add_aac(container, bit_rate), padded)
    file.seek(0)
    with av.open(file, "r") as container:
        planes = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    decoded = np.concatenate(planes)[_AAC_DELAY : _AAC_DELAY + len(sound)]
    return np.clip(np.round(decoded * 32767), -32768, 32767).astype(np.int16)


def write_mp4(
    file: str | os.PathLike[str] | io.BytesIO,
    frames: UInt8[np.ndarray, "t h w 3"] | None,
    sound: Int16[np.ndarray, " s"] | None,
    *,
    crf: int,
    audio_bit_rate: int,
) -> None:
    """Writes H.264 and AAC; either stream may be absent.

    Args:
        file: a path, or a buffer.
        frames: at 25 Hz, height and width even.
        sound: at 16 kHz.
        crf: x264's quality, 0 best to 51.
        audio_bit_rate: bits a second.
    """
    target = file if isinstance(file, io.BytesIO) else os.fspath(file)
    with av.open(target, "w", format="mp4") as container:
        # Both before the first packet, with which the header is written.
        picture = None if frames is None else _add_h264(container, frames.shape, crf)
        audio = None if sound is None else _add_aac(container, audio_bit_rate)
        if frames is not None:
            _encode_frames(container, picture, frames)
        if sound is not None:
            _encode_sound(container, audio, sound)


def _add_h264(container, shape: tuple[int, ...], crf: int):
    stream = container.add_stream("libx264", rate=FRAME_RATE)
    stream.height, stream.width = shape[1:3]
    stream.pix_fmt = "yuv420p"
    stream.thread_count = 1
    stream.options = {"crf": str(crf), "preset": "superfast", "x264-params": _X264}
    return stream


def _add_aac(container, bit_rate: int):
    stream = container.add_stream("aac", rate=SAMPLE_RATE)
    stream.layout, stream.bit_rate = "mono", bit_rate
    return stream


def _encode_frames(container, stream, frames: np.ndarray) -> None:
    for index, frame in enumerate(frames):
        # OpenCV's colours: FFmpeg's scaler rounds differently on different processors.
        planes = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2YUV_I420)
        image = av.VideoFrame.from_ndarray(planes, format="yuv420p")  # type: ignore[arg-type]
        image.pts, image.time_base = index, Fraction(1, FRAME_RATE)
        container.mux(stream.encode(image))
    container.mux(stream.encode())


def _encode_sound(container, stream, sound: np.ndarray) -> None:
    block = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    container.mux(stream.encode(block))
    container.mux(stream.encode())


def _to_rgb(frame) -> np.ndarray:
    return cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
