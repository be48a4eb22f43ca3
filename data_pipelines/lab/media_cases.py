"""The forms in which people's talking clips come, each as a small file that can be made.

Owns the list. `media_writer` writes them, `media_check` reads them back.
"""

import dataclasses
from fractions import Fraction
from typing import Any, Literal

from av.video.reformatter import ColorTrc

from data_pipelines.records.clip import FRAME_RATE

SIZE = 320, 240  # width and height of the clip, pixels
SOUND_RATE = 48_000

Channels = Literal["mono", "stereo", "left", "opposite", "5.1", "second"]
Scan = Literal["progressive", "tff", "bff"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaCase:
    """A form in which the clip is written.

    Attributes:
        name: of the case.
        suffix: of the file; chooses the container.
        video, audio: encoders; none for a file without.
        pixels: the picture's format.
        rate: pictures a second.
        size: stored width and height; other than the clip's where pixels are not square.
        pixel_aspect: a pixel's width by its height.
        exif: the orientation by EXIF's number (mp4 and mov).
        scan: which field of an interlaced picture comes first.
        curve: of an HDR picture.
        audio_rate: Hz.
        channels: where the speech is: `opposite` is right = -left, `second` the default stream
            behind a tone.
        picture_s, sound_s: when they begin on the file's clock.
        hidden_s: of the clip's beginning, which an edit list hides.
        uneven: pictures come 1.5 and 0.5 periods after each other.
        repeated: every so many pictures one has the timestamp of the one before; 0 for none.
        pieces: transport streams of equal length, joined by `cat`.
        repeats: how often the whole clip comes, joined likewise, its clock each time from 0 on.
        options: of the container and the picture's encoder.
        kept: share of the file that is left.
    """

    name: str
    suffix: str = "mp4"
    video: str = "libx264"
    audio: str = "aac"
    pixels: str = "yuv420p"
    rate: Fraction = Fraction(FRAME_RATE)
    size: tuple[int, int] = SIZE
    pixel_aspect: Fraction = Fraction(1)
    exif: int = 1
    scan: Scan = "progressive"
    curve: ColorTrc = ColorTrc.BT709
    audio_rate: int = SOUND_RATE
    channels: Channels = "mono"
    picture_s: float = 0.0
    sound_s: float = 0.0
    hidden_s: float = 0.0
    uneven: bool = False
    repeated: int = 0
    pieces: int = 1
    repeats: int = 0
    options: dict[str, str] = dataclasses.field(default_factory=dict)
    kept: float = 1.0

    @property
    def title(self) -> str:
        """What it is called where it stands among others: `mp4: PQ`."""
        return f"{self.suffix}: {self.name}"


def _case(name: str, suffix: str, codecs: str = "libx264 aac", **form: Any) -> MediaCase:
    video, _, audio = codecs.partition(" ")
    return MediaCase(name=name, suffix=suffix, video=video, audio=audio, **form)


_CODECS = (
    _case("h264 aac", "mp4"),
    _case("hevc aac", "mp4", "libx265 aac"),
    _case("av1 opus", "mp4", "libsvtav1 libopus"),
    _case("mpeg4 mp3", "mp4", "mpeg4 libmp3lame"),
    _case("fragments", "mp4", options={"movflags": "frag_keyframe+empty_moov"}),
    _case("index in front", "mp4", options={"movflags": "faststart"}),
    _case("h264 alac", "mov", "libx264 alac"),
    _case("mjpeg pcm", "mov", "mjpeg pcm_s16le", pixels="yuvj420p"),
    _case("h264 aac", "3gp"),
    _case(
        "h263 amr",
        "3gp",
        "h263 libopencore_amrnb",
        size=(352, 288),
        audio_rate=8000,
        pixel_aspect=Fraction(12, 11),
    ),
    _case("h264 flac", "mkv", "libx264 flac"),
    _case("ffv1 pcm", "mkv", "ffv1 pcm_s16le", pixels="bgr0"),
    _case("vp8 vorbis", "webm", "libvpx vorbis", channels="stereo"),
    _case("vp9 opus", "webm", "libvpx-vp9 libopus"),
    _case("mpeg4 mp3", "avi", "mpeg4 libmp3lame"),
    _case("h264 pcm", "avi", "libx264 pcm_s16le"),
    _case("mjpeg u8", "avi", "mjpeg pcm_u8", pixels="yuvj420p"),
    _case("h264 aac", "ts"),
    _case("h264 ac3", "m2ts", "libx264 ac3", channels="stereo"),
    _case("mpeg2 mp2", "mpg", "mpeg2video mp2"),
    _case("mpeg1 mp2", "vob", "mpeg1video mp2"),
    _case("h264 aac", "flv"),
    _case("flv1 mp3", "flv", "flv libmp3lame", audio_rate=44_100),
    _case("wmv2 wmav2", "wmv", "wmv2 wmav2"),
    _case("mpeg2 pcm", "mxf", "mpeg2video pcm_s16le"),
    _case("ffv1 flac", "nut", "ffv1 flac", pixels="yuv444p"),
    _case("no container", "h264", "libx264"),
)
_RATES = (
    *(
        _case(f"{float(rate):.5g} pictures/s", "mp4", rate=rate)
        for rate in (
            Fraction(10),
            Fraction(25, 2),
            Fraction(15),
            Fraction(24_000, 1001),
            Fraction(30_000, 1001),
            Fraction(50),
            Fraction(60),
            Fraction(120),
        )
    ),
    _case("uneven rate", "mp4", uneven=True),
    _case("uneven rate", "mkv", uneven=True),
    _case("30 pictures/s", "avi", "mpeg4 pcm_s16le", rate=Fraction(30)),
)
_SHAPES = (
    _case("pixels 64:45", "mp4", size=(226, 240), pixel_aspect=Fraction(64, 45)),
    _case("pixels 8:9", "mkv", size=(360, 240), pixel_aspect=Fraction(8, 9)),
    _case("pixels 16:15", "mpg", "mpeg2video mp2", size=(300, 240), pixel_aspect=Fraction(16, 15)),
    *(
        _case(f"orientation {exif}", "mp4" if exif % 2 else "mov", exif=exif)
        for exif in range(2, 9)
    ),
    _case("upper field first", "mpg", "mpeg2video mp2", scan="tff"),
    _case("lower field first", "mov", "mpeg2video pcm_s16le", scan="bff"),
    _case("interlaced h264", "ts", scan="tff"),
    _case("10 bit", "mp4", "libx265 aac", pixels="yuv420p10le"),
    _case("prores", "mov", "prores_ks pcm_s24le", pixels="yuv422p10le"),
    _case("444", "mp4", pixels="yuv444p"),
    _case("full range", "mp4", pixels="yuvj420p"),
    _case("PQ", "mp4", "libx264 aac", pixels="yuv420p10le", curve=ColorTrc.SMPTE2084),
    _case("HLG", "mkv", "libx265 aac", pixels="yuv420p10le", curve=ColorTrc.ARIB_STD_B67),
)
_SOUNDS = (
    _case("8 kHz alaw", "mov", "libx264 pcm_alaw", audio_rate=8000),
    _case("44.1 kHz", "mp4", audio_rate=44_100),
    _case("96 kHz float", "mkv", "libx264 pcm_f32le", audio_rate=96_000),
    _case("stereo", "mp4", channels="stereo"),
    _case("left alone", "mp4", channels="left"),
    _case("opposite phase", "mov", "libx264 pcm_s16le", channels="opposite"),
    _case("5.1", "mkv", "libx264 ac3", channels="5.1"),
    _case("second is default", "mkv", "libx264 pcm_s16le", channels="second"),
)
_CLOCKS = (
    _case("sound later", "mp4", sound_s=0.3),
    _case("picture later", "mp4", picture_s=0.32),
    _case("sound later", "mkv", "libx264 libopus", sound_s=0.3),
    _case("ten hours on", "ts", picture_s=36_000.0, sound_s=36_000.0),
    _case("ten hours on", "mkv", "libx264 flac", picture_s=36_000.0, sound_s=36_000.0),
    _case("edit list", "mp4", hidden_s=0.4),
    _case("stamps repeated", "mkv", "mjpeg pcm_s16le", pixels="yuvj420p", repeated=10),
    _case("pieces", "ts", "libx264 mp2", picture_s=1.0, sound_s=1.0, pieces=5),
    _case("clocks anew", "ts", "libx264 mp2", repeats=3),
    _case("cut off", "ts", kept=0.7),
    _case("cut off", "mkv", "libx264 flac", kept=0.7),
)  # fmt: skip
CASES = _CODECS + _RATES + _SHAPES + _SOUNDS + _CLOCKS
