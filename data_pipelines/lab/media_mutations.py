"""Damaged media by the thousand: mutated files, each prepared under the guard and accounted for.

Everything follows from a seed. The way is preparation's own, listing and guard included.
"""

import dataclasses
import multiprocessing
import pathlib
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from data_pipelines.benchmarks.folder import clips
from data_pipelines.lab.media_cases import MediaCase
from data_pipelines.lab.media_writer import TalkingClip, talking_clip, write_case
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.run import prepare

MOST_S = 20.0  # that a file may take
MOST_MB = 2000  # of memory, for one process and any file

_FRAMES = 25  # of the clip that is damaged: 1 s
_HEADER = 4096  # bytes in which half of the changes fall; the rest of a file is mostly coefficients
_SETTINGS = PrepareSettings(size=112, window_s=2.0, stride_s=2.0)

Mutation = Callable[[bytes, bytes, np.random.Generator], bytes]


@dataclasses.dataclass(frozen=True)
class MutationReport:
    """What became of the files.

    Attributes:
        files: written.
        prepared: of which there are records.
        skipped: reason -> files of which there are none.
        passed_over: files that the listing does not take for videos.
        peak_mb: of the hungriest process that decoded.
    """

    files: int
    prepared: int
    skipped: dict[str, int]
    passed_over: int
    peak_mb: float

    @property
    def faults(self) -> list[str]:
        """What is wrong; nothing where all is right."""
        lost = self.files - self.prepared - sum(self.skipped.values()) - self.passed_over
        wrong = {
            f"{self.skipped.get('crashed', 0)} crashed": self.skipped.get("crashed", 0) > 0,
            f"{self.skipped.get('timeout', 0)} hung": self.skipped.get("timeout", 0) > 0,
            f"{lost} unaccounted for": lost != 0,
            f"{self.peak_mb:.0f} MB, over {MOST_MB}": self.peak_mb > MOST_MB,
        }
        return [what for what, is_wrong in wrong.items() if is_wrong]

    def lines(self) -> list[str]:
        """The report for people."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.skipped.items()))
        return [
            f"{self.files} mutated files: {self.prepared} prepared, "
            f"{sum(self.skipped.values())} skipped ({reasons or 'none'}), "
            f"{self.passed_over} passed over as no video",
            f"at most {self.peak_mb:.0f} MB in a process that decodes; "
            f"{', '.join(self.faults) or 'none crashed, none hung'}",
        ]


def write_mutations(
    cases: Sequence[MediaCase], count: int, seed: int, folder: pathlib.Path
) -> list[pathlib.Path]:
    """Writes the clip's beginning in each form, then `count` damaged copies of these files.

    Args:
        cases: forms, taken in turn.
        count: of the mutated files.
        seed: the same one gives the same damage.
        folder: takes the whole files under `whole`, the mutated ones under `mutated`.
    """
    whole, mutated = folder / "whole", folder / "mutated"
    for place in (whole, mutated):
        place.mkdir(parents=True, exist_ok=True)
    clip = _beginning(talking_clip())
    sources = [write_case(case, clip, whole) for case in cases]
    contents = [path.read_bytes() for path in sources]
    names = sorted(MUTATIONS)
    written = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        source = number % len(sources)
        kind = names[rng.integers(len(names))]
        content = contents[source]
        for _ in range(rng.integers(1, 4)):  # one damage hides what comes behind it
            content = MUTATIONS[kind](content, contents[rng.integers(len(contents))], rng)
        path = mutated / f"{number:05d}_{kind}_{sources[source].name}"
        path.write_bytes(content)
        written.append(path)
    return written


def prepare_mutations(
    folder: pathlib.Path, output: pathlib.Path, workers: int = 1
) -> MutationReport:
    """Prepares all files of a folder and counts what became of them.

    Raises:
        UserError: none gave a record.
    """
    # In a process of its own, as memory is told of all its children together, those of before too.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_prepare, folder, output, workers).result()


def _prepare(folder: pathlib.Path, output: pathlib.Path, workers: int) -> MutationReport:
    files = sum(1 for _ in folder.iterdir())
    sources = [dataclasses.replace(source, split="test") for source in clips(folder)]
    report = prepare(sources, _SETTINGS, output, workers=workers, max_skipped=1.0, timeout_s=MOST_S)
    return MutationReport(
        files=files,
        prepared=report.clips - sum(report.skipped.values()),
        skipped=report.skipped,
        passed_over=files - report.clips,
        peak_mb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000,
    )


def _beginning(clip: TalkingClip) -> TalkingClip:
    samples = round(len(clip.sound) * _FRAMES / len(clip.images))
    return TalkingClip(clip.images[:_FRAMES], clip.sound[:samples])


def _flip(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Single bits turned over."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 17)):
        changed[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A number of four bytes that is as large, as small or as wrong as can be."""
    start = _place(content, rng)
    extremes = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", rng.bytes(4))
    return content[:start] + extremes[rng.integers(len(extremes))] + content[start + 4 :]


def _truncate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: _place(content, rng) + 1]


def _erase(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch is missing."""
    start = _place(content, rng)
    return content[:start] + content[start + int(rng.integers(1, 2000)) :] or content


def _repeat(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch comes several times."""
    start = _place(content, rng)
    stretch = content[start : start + int(rng.integers(1, 2000))]
    return content[:start] + stretch * int(rng.integers(2, 6)) + content[start:]


def _splice(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Another file's beginning before, or a stretch of it within, this file's bytes."""
    length = int(rng.integers(16, _HEADER))
    start = 0 if rng.integers(2) else _place(content, rng)
    return content[:start] + other[start : start + length] + content[start + length :]


MUTATIONS: dict[str, Mutation] = {
    "flip": _flip, "overwrite": _overwrite, "truncate": _truncate, "erase": _erase,
    "repeat": _repeat, "splice": _splice,
}  # fmt: skip


def _place(content: bytes, rng: np.random.Generator) -> int:
    """A byte of the file; every second time one of the header."""
    end = min(len(content), _HEADER) if rng.integers(2) else len(content)
    return int(rng.integers(max(end, 1)))
