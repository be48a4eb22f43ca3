"""The benchmarks in miniature: each laid out as on disk, beside a truth table written by hand.

`trees/<name>/` holds a set's lists as published (`lists/`), what a reader must give (`truth.csv`:
one row a clip, with the file to make and why preparation loses it, if it does; the first file lies
below the root that the reader is given) and files that are no clips of the set (`others.txt`).
Media are one short talking head under all names.
"""

import csv
import dataclasses
import os
import pathlib
import runpy
import shutil
import wave
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
import simplejpeg

from data_pipelines.media.decode import read_video
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.sound import read_audio
from data_pipelines.synthetic.codecs import write_mp4
from data_pipelines.synthetic.generate import shoot
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import plan_clip
from data_pipelines.synthetic.presets import Preset

TREES = pathlib.Path(__file__).parent / "trees"
PREPARE = pathlib.Path(__file__).parents[3] / "scripts" / "prepare.py"
BENCHMARKS = sorted(path.name for path in TREES.iterdir())
NUM_FRAMES = 20
REAL_CLIP = pathlib.Path(os.environ.get("CAD_JAX_MEDIA", "none")) / "av2av__videos-1.webm"


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a reader must say of a clip, as texts; `media` and `lost` are the tree's own.

    `media` is `av`, `v` (soundless), `one` (a single frame), `two` (faces), `stills` (a folder of
    pictures) or empty: not there. `lost` is the reason in `skipped.csv`, empty for a usable clip.
    """

    key: str
    path: str
    media: str
    sound: str
    lost: str
    split: str
    source_ids: str
    pair_id: str
    video: str
    audio: str
    sync: str
    method_video: str
    method_audio: str


@dataclasses.dataclass(frozen=True)
class Tree:
    """A miniature benchmark: reader's name, root, options and truth by key."""

    name: str
    root: pathlib.Path
    options: dict[str, str]
    truth: dict[str, Truth]


@dataclasses.dataclass(frozen=True)
class PreparedTree:
    """A prepared miniature: the tree it was made of and the directory of its shards."""

    tree: Tree
    directory: pathlib.Path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `benchmark` run for every one."""
    if "benchmark" in metafunc.fixturenames:
        metafunc.parametrize("benchmark", BENCHMARKS)


@pytest.fixture
def make_tree(tmp_path: pathlib.Path) -> Callable[[str], Tree]:
    """Lays a benchmark out with empty files for media, which readers never open."""
    return lambda name: _build(name, tmp_path / "tree", None)


@pytest.fixture(scope="session")
def prepared_tree(
    tmp_path_factory: pytest.TempPathFactory, media_files: dict[str, pathlib.Path]
) -> Callable[[str], PreparedTree]:
    """Prepares a benchmark by name as the command line would, once a session.

    Clips are 0.8 s long: one record each, 64 px.
    """
    main = runpy.run_path(str(PREPARE))["main"]
    done: dict[str, PreparedTree] = {}

    def prepared(name: str) -> PreparedTree:
        if name not in done:
            base = tmp_path_factory.mktemp(name)
            tree = _build(name, base / "tree", media_files)
            arguments = ["--reader", name, "--root", tree.root, "--output", base / "prepared"]
            for option, value in tree.options.items():
                arguments += ["--option", f"{option}={value}"]
            arguments += ["--size", 64, "--window", 0.8, "--shortest", 0.4, "--workers", 1]
            assert main([str(text) for text in [*arguments, "--max-skipped", 0.3]]) == 0
            done[name] = PreparedTree(tree, base / "prepared")
        return done[name]

    return prepared


@pytest.fixture(scope="session")
def media_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """One talking head as every kind of media that the trees need, by kind and suffix."""
    folder = tmp_path_factory.mktemp("media")
    frames, sound = _talking_head()
    pictures = {"av": frames, "v": frames, "one": frames[:1], "two": _with_a_smaller_one(frames)}
    files = {}
    for kind, images in pictures.items():
        files[f"{kind}.mp4"] = folder / f"{kind}.mp4"
        heard = sound if kind in ("av", "two") else None
        write_mp4(files[f"{kind}.mp4"], images, heard, crf=18, audio_bit_rate=64_000)
        files[f"{kind}.avi"] = folder / f"{kind}.avi"
        _write_avi(files[f"{kind}.avi"], images, heard)
    files["stills"] = folder / "stills"
    files["stills"].mkdir()
    for number, image in enumerate(frames, start=1):
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(image), 92)
        (files["stills"] / f"{number:03d}").write_bytes(jpeg)
    files["wav"] = folder / "sound.wav"
    with wave.open(str(files["wav"]), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    return files


def _talking_head() -> tuple[np.ndarray, np.ndarray]:
    """Frames and 16 kHz sound of a real clip, where there are any, else of a synthetic one."""
    if REAL_CLIP.exists():
        limits = MediaLimits()
        frames = [frame.image for frame in read_video(REAL_CLIP, limits)][:NUM_FRAMES]
        track = read_audio(REAL_CLIP, limits)
        assert track is not None
        return np.stack(frames), track.samples[: NUM_FRAMES * 640]
    preset = Preset("synthetic_reader", {"train": 6}, seconds=NUM_FRAMES / 25, unimodal_share=0.0)
    plan = plan_clip(preset, 0, 0)
    capture = shoot(0, preset, plan, perform(preset, 0, plan))
    return capture.frames, capture.audio


def _with_a_smaller_one(frames: np.ndarray) -> np.ndarray:
    """The same head once more, half as large, in a strip to the right."""
    half = frames[:, ::2, ::2]
    strip = np.zeros((*frames.shape[:2], half.shape[2], 3), np.uint8)
    strip[:, : half.shape[1]] = half
    return np.ascontiguousarray(np.concatenate([frames, strip], axis=2))


def _write_avi(path: pathlib.Path, images: np.ndarray, sound: np.ndarray | None) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25, options={"q:v": "2"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = None
        if sound is not None:
            audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for image in images:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))


def _build(name: str, top: pathlib.Path, media: dict[str, pathlib.Path] | None) -> Tree:
    """Makes a benchmark's folders below `top`, with empty files where there are no media."""
    given = TREES / name
    if (given / "lists").exists():
        shutil.copytree(given / "lists", top)
    with (given / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["key"]: Truth(**row) for row in csv.DictReader(file)}
    for row in truth.values():
        if row.media:
            _put(top / row.path, row.media, media)
            if row.sound:
                _put(top / row.sound, "wav", media)
    if (given / "others.txt").exists():
        for line in (given / "others.txt").read_text(encoding="utf-8").splitlines():
            (top / line).parent.mkdir(parents=True, exist_ok=True)
            (top / line).touch()
    options = {"vidtimit": str(top / "VidTIMIT")} if name == "dftimit" else {}
    root = next(iter(truth.values())).path.partition("/")[0]
    return Tree(name, top / root, options, truth)


def _put(path: pathlib.Path, kind: str, media: dict[str, pathlib.Path] | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "stills" and media is not None:
        shutil.copytree(media["stills"], path)
    elif kind == "stills":
        path.mkdir()
        (path / "001").touch()
    elif media is not None:
        shutil.copyfile(media[kind if kind == "wav" else f"{kind}{path.suffix}"], path)
    else:
        path.touch()
