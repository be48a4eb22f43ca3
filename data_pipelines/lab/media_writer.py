"""Writes a known talking clip in the form of a `MediaCase`.

Every picture carries its number in a strip of black and white cells along its lower edge, so that
what is read can be held against what was put in (`media_check`).
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
import scipy.signal
from av.container import OutputContainer
from av.stream import Disposition
from av.video.reformatter import ColorTrc
from jaxtyping import Float32, UInt8

from data_pipelines.lab.media_cases import SIZE, SOUND_RATE, MediaCase, Scan
from data_pipelines.media.filters import filter_graph
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import plan_clip
from data_pipelines.synthetic.presets import find_preset

_WIDTH, _HEIGHT = SIZE
_STRIP = 16  # pixels, height of the cells
_BITS = 6  # of a number; two cells before them are always white and black
_GENUINE_CLIP = 1  # of the preset, a genuine one with picture and sound
_CLOCK = Fraction(1, 90_000)


# EXIF's number -> a, b, c, d of the display matrix.
_MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
_OPTIONS = {  # of encoders that do not do as they are, or for which 2 Mbit/s would not
    "libx264": {"crf": "16", "preset": "veryfast"},
    "libx265": {"crf": "16", "preset": "veryfast", "x265-params": "log-level=none"},
    "libsvtav1": {"crf": "20", "preset": "9"},
    "libvpx": {"b": "2000000", "cpu-used": "8"},
    "libvpx-vp9": {"b": "2000000", "cpu-used": "8"},
    "vorbis": {"strict": "experimental"},
    "wmav2": {"b": "128000"},
}
_BT709_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


@dataclasses.dataclass(frozen=True)
class TalkingClip:
    """The truth: 25 numbered pictures a second, and what is said at 48 kHz, full scale at 1."""

    images: UInt8[np.ndarray, "t h w 3"]
    sound: Float32[np.ndarray, " s"]

    def shown_at(self, seconds: float) -> int:
        """The number of the picture nearest to a time."""
        return int(np.clip(round(seconds * FRAME_RATE), 0, len(self.images) - 1))


def talking_clip() -> TalkingClip:
    """Two seconds of a rendered head that speaks, numbered; the same every time."""
    preset = dataclasses.replace(find_preset("synthetic_micro"), frame_size=_HEIGHT)
    performance = perform(preset, 0, plan_clip(preset, 0, _GENUINE_CLIP))
    side = (_WIDTH - _HEIGHT) // 2
    images = np.pad(performance.frames, ((0, 0), (0, 0), (side, side), (0, 0)), mode="reflect")
    for number, image in enumerate(images):
        _draw_number(image, number)
    sound = scipy.signal.resample_poly(performance.audio, SOUND_RATE // SAMPLE_RATE, 1)
    return TalkingClip(images, sound.astype(np.float32))


def number_on(image: UInt8[np.ndarray, "h w 3"]) -> int | None:
    """The number that a picture carries, of whatever size; None where it cannot be read."""
    height, width = image.shape[:2]
    row = round(height * (1 - _STRIP / 2 / _HEIGHT))
    half = max(round(height * _STRIP / _HEIGHT / 8), 1)
    cells = _BITS + 2
    columns = [round(width * (cell + 0.5) / cells) for cell in range(cells)]
    levels = [image[row - half : row + half, x - half : x + half].mean() for x in columns]
    white, black = levels[:2]
    if white - black < 100:
        return None
    bits = [level > (white + black) / 2 for level in levels[2:]]
    return int(sum(bit << place for place, bit in enumerate(bits)))


def write_case(case: MediaCase, clip: TalkingClip, folder: pathlib.Path) -> pathlib.Path:
    """Writes the clip in the form of a case; returns the file."""
    path = folder / f"{case.name.replace(' ', '_').replace('/', '_')}.{case.suffix}"
    length = len(clip.images) / FRAME_RATE
    starts = [0.0] * case.repeats or [piece * length / case.pieces for piece in range(case.pieces)]
    parts = []
    for start in starts:
        _write(path, case, clip, (start, start + length / case.pieces))
        parts.append(path.read_bytes())
    content = bytearray(b"".join(parts))
    if case.exif != 1:
        _turn(content, case.exif)
    path.write_bytes(content[: round(case.kept * len(content))])
    return path


def _write(
    path: pathlib.Path, case: MediaCase, clip: TalkingClip, span: tuple[float, float]
) -> None:
    """What the clip holds between two times."""
    # Without bitexact, Matroska's tracks get numbers by chance.
    options = {"fflags": "+bitexact"} | dict(case.options)
    with av.open(str(path), "w", options=options) as container:
        picture = _picture_stream(container, case)
        tone = _sound_stream(container, case) if case.channels == "second" else None
        sound = _sound_stream(container, case) if case.audio else None
        if tone is not None and sound is not None:
            tone.disposition, sound.disposition = Disposition(0), Disposition.default
        packets = []
        if picture is not None:
            for frame in _frames(case, clip, span):
                packets += picture.encode(frame)
            packets += picture.encode(None)
            if case.repeated:
                _repeat_stamps(packets, case.repeated)
        samples = clip.sound[slice(*(round(end * SOUND_RATE) for end in span))]
        start = span[0] + case.sound_s - case.hidden_s
        if tone is not None:
            hum = 0.3 * np.sin(np.arange(len(samples)) / 20, dtype=np.float32)
            packets += _encoded(tone, case, hum, start)
        if sound is not None:
            packets += _encoded(sound, case, samples, start)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def _picture_stream(container: OutputContainer, case: MediaCase) -> av.VideoStream | None:
    if not case.video:
        return None
    stream = container.add_stream(case.video, rate=case.rate, options=_encoder_options(case))
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = case.size if case.exif < 5 else case.size[::-1]
    stream.pix_fmt = case.pixels
    context = stream.codec_context
    context.sample_aspect_ratio = case.pixel_aspect
    if case.uneven:
        context.time_base = _CLOCK
    if case.curve != ColorTrc.BT709:
        context.color_trc, context.color_primaries, context.colorspace = int(case.curve), 9, 9
    return stream


def _encoder_options(case: MediaCase) -> dict[str, str]:
    options = dict(_OPTIONS.get(case.video, {"b": "2000000"}))
    if case.scan != "progressive":
        options |= {"flags": "+ildct+ilme", "field_order": "tt" if case.scan == "tff" else "bb"}
    return options


def _sound_stream(container: OutputContainer, case: MediaCase) -> av.AudioStream:
    layout = {"mono": "mono", "second": "mono", "5.1": "5.1"}.get(case.channels, "stereo")
    options = _OPTIONS.get(case.audio, {})
    stream = container.add_stream(case.audio, case.audio_rate, layout=layout, options=options)
    assert isinstance(stream, av.AudioStream)
    return stream


def _frames(
    case: MediaCase, clip: TalkingClip, span: tuple[float, float]
) -> Iterator[av.VideoFrame]:
    """The pictures between two times, as they are stored."""
    count = round((span[1] - span[0]) * case.rate)
    for index in range(count):
        periods = index + (0.5 if case.uneven and index % 2 else 0.0)
        time = float(periods / case.rate)
        number = clip.shown_at(span[0] + time)
        image = clip.images[number]
        if case.scan != "progressive":
            image, lines = image.copy(), 1 if case.scan == "tff" else 0
            image[lines::2] = clip.images[clip.shown_at(number / FRAME_RATE + 0.04)][lines::2]
        frame = _stored(image, case)
        frame.time_base = _CLOCK if case.uneven else 1 / case.rate
        start = span[0] + case.picture_s - case.hidden_s
        frame.pts = round((start + time) / frame.time_base)
        yield frame


def _stored(image: UInt8[np.ndarray, "h w 3"], case: MediaCase) -> av.VideoFrame:
    """A picture in the case's size, orientation, format and curve."""
    if case.size != SIZE:
        image = cv2.resize(image, case.size, interpolation=cv2.INTER_AREA)
    a, b, c, d = _MATRICES[case.exif]
    image = image[:: b or d, :: a or c]
    image = np.ascontiguousarray(image.swapaxes(0, 1) if b else image)
    if case.curve != ColorTrc.BT709:
        signal = np.round(as_hdr(image / 255, case.curve) * 65535).astype(np.uint16)
        frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
        frame = frame.reformat(format=case.pixels, dst_colorspace=9)
        frame.colorspace, frame.color_primaries, frame.color_trc = 9, 9, int(case.curve)
        return frame
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=case.pixels)
    return frame if case.scan == "progressive" else _marked(frame, case.scan)


def _marked(frame: av.VideoFrame, scan: Scan) -> av.VideoFrame:
    """The frame, called interlaced."""
    graph = filter_graph(frame, ("setfield", {"mode": scan}))
    graph.vpush(frame)
    return graph.vpull()


def as_hdr(image: np.ndarray, curve: ColorTrc) -> np.ndarray:
    """An ordinary picture, 0 to 1, as a mastering house puts it into PQ or HLG (BT.2408)."""
    light = 203 * image**2.4 @ _BT709_TO_BT2020.T
    if curve == ColorTrc.SMPTE2084:
        root = (light / 10_000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    luma = (light @ [0.2627, 0.6780, 0.0593])[..., None] / 1000
    scene = light / 1000 * np.maximum(luma, 1e-9) ** (1 / 1.2 - 1)
    logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)


def _encoded(
    stream: av.AudioStream, case: MediaCase, samples: Float32[np.ndarray, " s"], at: float
) -> list[av.Packet]:
    """Mono samples as packets of a sound stream that begins at `at`."""
    channels = {
        "stereo": (1, 1), "left": (1, 0), "opposite": (1, -1), "5.1": (0, 0, 1, 0, 0, 0),
    }.get(case.channels, (1,))  # fmt: skip
    planes = np.ascontiguousarray(np.outer(channels, samples).astype(np.float32))
    context = stream.codec_context
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=context.layout.name)
    frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
    frame.pts = round(at * SOUND_RATE)
    resampler = av.AudioResampler(context.format, context.layout, case.audio_rate)
    packets = []
    for ready in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += stream.encode(ready)
    return packets + stream.encode(None)


def _repeat_stamps(packets: list[av.Packet], every: int) -> None:
    for number in range(every, len(packets), every):
        packets[number].pts, packets[number].dts = packets[number - 1].pts, packets[number - 1].dts


def _turn(content: bytearray, exif: int) -> None:
    """Writes the display matrix into the picture's track header, the first in the file."""
    start = content.index(b"tkhd") + 44
    a, b, c, d = ((v << 16).to_bytes(4, "big", signed=True) for v in _MATRICES[exif])
    content[start : start + 20] = a + b + bytes(4) + c + d


def _draw_number(image: UInt8[np.ndarray, "h w 3"], number: int) -> None:
    bits = [1, 0, *(number >> place & 1 for place in range(_BITS))]
    cells = np.repeat(np.array(bits, np.uint8) * 200 + 25, image.shape[1] // len(bits))
    image[-_STRIP:] = cells[None, :, None]
