"""From performance to footage: camera, microphone and codec, one law for every clip.

The law is drawn from a random stream that no forgery touches: camera noise that depended on the
forgery would give it away.
"""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int16, UInt8

from data_pipelines.synthetic.camera import film
from data_pipelines.synthetic.codecs import aac_round_trip, h264_round_trip, jpeg_round_trip
from data_pipelines.synthetic.microphone import record
from data_pipelines.synthetic.presets import Preset


@dataclasses.dataclass(frozen=True)
class Codec:
    """How footage is stored.

    Attributes:
        coded: as H.264 and AAC; else as JPEG stills and PCM.
        crf: x264's quality.
        bit_rate: of AAC, bits a second.
        jpeg_quality: of the stills.
    """

    coded: bool
    crf: int
    bit_rate: int
    jpeg_quality: int

    @property
    def name(self) -> str:
        if self.coded:
            return f"h264 crf {self.crf}, aac {self.bit_rate // 1000} kbit/s"
        return f"jpeg {self.jpeg_quality}, pcm"


@dataclasses.dataclass(frozen=True)
class Capture:
    """Footage; no frames without picture, no samples without sound."""

    frames: UInt8[np.ndarray, "t h w 3"]
    audio: Int16[np.ndarray, " s"]
    codec: Codec


def expose(
    frames: UInt8[np.ndarray, "t h w 3"],
    audio: Float32[np.ndarray, " s"],
    preset: Preset,
    rng: np.random.Generator,
) -> Capture:
    """What the camera and the microphone deliver; the codec is drawn but not applied yet."""
    codec_rng, camera_rng, microphone_rng = rng.spawn(3)
    codec = Codec(
        coded=bool(codec_rng.random() < preset.coded_share),
        crf=int(codec_rng.integers(16, 33)),
        bit_rate=int(codec_rng.choice([24_000, 32_000, 48_000, 64_000])),
        jpeg_quality=int(codec_rng.integers(*preset.camera.jpeg_quality)),
    )
    if len(frames):
        frames = film(frames, preset.camera, camera_rng)
    sound = record(audio.astype(np.float64), microphone_rng) if len(audio) else audio
    return Capture(frames, np.round(sound * 32767).astype(np.int16), codec)


def compress(capture: Capture) -> Capture:
    """The footage after its codec."""
    frames, audio, codec = capture.frames, capture.audio, capture.codec
    if codec.coded:
        frames = h264_round_trip(frames, codec.crf) if len(frames) else frames
        audio = aac_round_trip(audio, codec.bit_rate) if len(audio) else audio
    elif len(frames):
        frames = jpeg_round_trip(frames, codec.jpeg_quality)
    return Capture(frames, audio, codec)
