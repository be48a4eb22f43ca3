"""Drawn faces and small media files, so that the tests need no real clip."""

import fractions
import pathlib
from collections.abc import Callable, Sequence

import av
import cv2
import numpy as np
import pytest


def _draw_face(
    width: int = 320,
    height: int = 240,
    centre: tuple[float, float] = (160.0, 110.0),
    radius: float = 60.0,
    mouth: float = 0.1,
) -> np.ndarray:
    """A cartoon that the detector takes for a face; its lips lie 0.58 radii below `centre`."""
    image = np.full((height, width, 3), (70, 90, 110), np.uint8)

    def ellipse(x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        at = round((centre[0] + x * radius) * 8), round((centre[1] + y * radius) * 8)
        axes = round(rx * radius * 8), round(ry * radius * 8)
        cv2.ellipse(image, at, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, 3)

    ellipse(0, 2.2, 1.5, 0.9, (60, 60, 120))
    ellipse(0, 1.0, 0.35, 0.6, (190, 140, 115))
    ellipse(0, -0.15, 0.82, 1.05, (60, 40, 30))
    ellipse(0, 0.1, 0.72, 0.95, (220, 170, 140))
    for side in (-1, 1):
        ellipse(side * 0.3, -0.1, 0.15, 0.075, (250, 250, 250))
        ellipse(side * 0.3, -0.1, 0.06, 0.07, (50, 30, 20))
        ellipse(side * 0.3, -0.27, 0.18, 0.03, (70, 45, 30))
        ellipse(side * 0.06, 0.3, 0.035, 0.025, (120, 70, 60))
    ellipse(0, 0.18, 0.07, 0.16, (200, 145, 118))
    ellipse(0, 0.58, 0.25, 0.05 + mouth / 2, (170, 70, 75))
    ellipse(0, 0.58, 0.19, 0.005 + mouth / 2, (60, 15, 20))
    return cv2.GaussianBlur(image, (0, 0), radius / 60)


def _write_media(
    path: pathlib.Path,
    images: Sequence[np.ndarray] = (),
    rate: float = 25,
    times: Sequence[float] | None = None,
    sound: np.ndarray | None = None,
    sound_rate: int = 48_000,
    sound_start: float = 0.0,
    codecs: tuple[str, str] = ("libx264", "aac"),
    options: dict[str, str] | None = None,
    pixel_aspect: fractions.Fraction | None = None,
) -> pathlib.Path:
    """Writes frames at `times` (seconds, default index / rate) and float sound to a container."""
    clock = fractions.Fraction(1, 1000)
    with av.open(str(path), "w", options=options or {}) as container:
        video = audio = None
        if len(images):
            video = container.add_stream(codecs[0], rate=fractions.Fraction(rate))
            video.height, video.width = images[0].shape[:2]
            video.pix_fmt = "yuv420p"
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if times is not None:
                video.codec_context.time_base = clock
        if sound is not None:
            audio = container.add_stream(codecs[1], rate=sound_rate, layout="mono")
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 1000), clock
            container.mux(video.encode(frame))
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(
                np.asarray(sound, np.float32)[None], format="fltp", layout="mono"
            )
            frame.sample_rate = sound_rate
            frame.time_base = fractions.Fraction(1, sound_rate)
            frame.pts = round(sound_start * sound_rate)
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., np.ndarray]:
    return _draw_face


@pytest.fixture(scope="session")
def write_media() -> Callable[..., pathlib.Path]:
    return _write_media


@pytest.fixture(scope="session")
def grey() -> Callable[[float], np.ndarray]:
    """A plain picture of some brightness."""
    return lambda level: np.full((64, 96, 3), round(level), np.uint8)


@pytest.fixture(scope="session")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """Files that are no media, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("bad")
    good = _write_media(folder / "good.mp4", [_draw_face()] * 25)
    content = {
        "text": b"this is not a video\n" * 50,
        "empty": b"",
        "no_index": good.read_bytes()[: good.stat().st_size // 2],
        # A playlist would make the demuxer open the files it names.
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{good}\n".encode(),
        "absurd": b"YUV4MPEG2 W12000 H12000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(1000),
    }
    files = {name: folder / f"{name}.mp4" for name in content}
    for name, data in content.items():
        files[name].write_bytes(data)
    return {**files, "missing": folder / "missing.mp4"}
