"""Real codecs, in memory and on disk: JPEG, H.264 and AAC, byte for byte the same every time.

Owns JPEG and files; the encoders' settings are `corruptions.codecs`'.
"""

import io
import os

import av
import numpy as np
import simplejpeg
from jaxtyping import Int16, UInt8

from data_pipelines.corruptions.codecs import (
    X264,
    audio_block,
    picture_round_trip,
    sound_round_trip,
    video_frames,
)
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE


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
    """The frames after H.264."""
    return picture_round_trip(frames, "libx264", crf)


def aac_round_trip(sound: Int16[np.ndarray, " s"], bit_rate: int) -> Int16[np.ndarray, " s"]:
    """The sound after AAC, without the encoder's delay."""
    return sound_round_trip(sound, "aac", bit_rate)


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
    stream.options = X264 | {"crf": str(crf)}
    return stream


def _add_aac(container, bit_rate: int):
    stream = container.add_stream("aac", rate=SAMPLE_RATE)
    stream.layout, stream.bit_rate = "mono", bit_rate
    return stream


def _encode_frames(container, stream, frames: np.ndarray) -> None:
    for image in video_frames(frames):
        container.mux(stream.encode(image))
    container.mux(stream.encode())


def _encode_sound(container, stream, sound: np.ndarray) -> None:
    container.mux(stream.encode(audio_block(sound, SAMPLE_RATE)))
    container.mux(stream.encode())
