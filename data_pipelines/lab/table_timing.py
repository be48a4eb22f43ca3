"""What a very large set costs before its first batch: opening it, the order of rows, each worker.

The clip table is made up, as large as asked for; its shards are empty files of the right length,
which nothing reads before a row is decoded.
"""

import dataclasses
import pathlib
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from data_pipelines.loading.draw import TrainingDraws
from data_pipelines.loading.rows import TrainingRow
from data_pipelines.loading.sampling import make_strata
from data_pipelines.loading.settings import AugmentConfig, ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.table import table_path, write_table
from data_pipelines.records.tfrecord import ShardSummary

T = TypeVar("T")

_NAME, _SPLIT = "madeup", "train"
_WINDOWS = 8  # of a video
_RECORD = 300_000  # bytes
_SHARD = 3_000  # records
_DRAWN = 1_000  # rows

# What a worker process does before its first row. It says by how much that made it larger.
_WORKER = """
import os, pathlib, pickle, sys, time
import data_pipelines.loading.rows
def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
before, start = resident(), time.perf_counter()
row = pickle.load(sys.stdin.buffer)
print(time.perf_counter() - start, resident() - before)
"""


@dataclasses.dataclass(frozen=True)
class TableCost:
    """Of a set of `clips` clips.

    Attributes:
        table_bytes: of the clip table's file.
        open_s: seconds until the source is there.
        strata_s: seconds to divide its clips by class and method.
        draws_s: seconds until the first row can be drawn.
        draw_us: microseconds to draw a row, without decoding.
        worker_bytes: sent to each worker process.
        worker_s: seconds until the worker can read.
        worker_growth: bytes by which the worker's resident memory grew.
        peak_bytes: memory of this process at its highest, all of it.
    """

    clips: int
    table_bytes: int
    open_s: float
    strata_s: float
    draws_s: float
    draw_us: float
    worker_bytes: int
    worker_s: float
    worker_growth: int
    peak_bytes: int

    def lines(self) -> list[str]:
        """The figures for people."""
        return [
            f"{self.clips:,} clips, a table of {self.table_bytes / 1e6:.0f} MB",
            f"open    {self.open_s:.2f} s",
            f"order   {self.strata_s:.2f} s for strata, {self.draws_s:.2f} s for draws",
            f"row     {self.draw_us:.0f} us to draw",
            f"worker  {self.worker_bytes:,} bytes sent, ready in {self.worker_s:.2f} s, "
            f"{self.worker_growth / 1e6:.1f} MB larger",
            f"peak    {self.peak_bytes / 1e6:.0f} MB in this process",
        ]


def time_table(clips: int) -> TableCost:
    """Makes up a set of so many clips in a temporary folder and opens it as training does.

    Raises:
        OSError: disk full and the like; a clip takes about 120 bytes.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # In another process, whose memory is not counted here.
        subprocess.run([sys.executable, "-m", __name__, name, str(clips)], check=True)
        source, open_s = _timed(lambda: TFRecordSource(folder, _SPLIT))
        strata, strata_s = _timed(lambda: make_strata(source, balance="method"))
        augment = AugmentConfig(sync_shift=0.3, drop_audio=0.1)
        clip = ClipSpec(seconds=2.0, frames=8, image_size=96)
        draws, draws_s = _timed(lambda: TrainingDraws(source, clip, augment, seed=0, strata=strata))
        _, drawing_s = _timed(lambda: [draws[row] for row in range(_DRAWN)])
        sent = pickle.dumps(TrainingRow(draws))
        worker = subprocess.run(
            [sys.executable, "-c", _WORKER], input=sent, check=True, capture_output=True
        )
        seconds, growth = worker.stdout.split()
        return TableCost(
            clips=len(source),
            table_bytes=table_path(folder, _NAME, _SPLIT).stat().st_size,
            open_s=open_s,
            strata_s=strata_s,
            draws_s=draws_s,
            draw_us=1e6 * drawing_s / _DRAWN,
            worker_bytes=len(sent),
            worker_s=float(seconds),
            worker_growth=int(growth),
            peak_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _make_up(folder: pathlib.Path, clips: int) -> None:
    """Half of the clips genuine, the others of four pairs of methods."""
    number = np.arange(clips)
    video = number // _WINDOWS
    forged = video % 2
    methods = np.array(["swap", "", "reenact", "swap"])[video // 2 % 4]
    voices = np.array(["", "clone", "clone", "convert"])[video // 2 % 4]
    sizes = [min(_SHARD, clips - start) for start in range(0, clips, _SHARD)]
    columns = {
        "clip_id": [f"v{of:07d}.mp4#{4 * (n % _WINDOWS)}" for n, of in enumerate(video.tolist())],
        "source_ids": [(f"person{of // 20:06d}",) for of in video.tolist()],
        "dataset": np.full(clips, _NAME, object),
        "split": np.full(clips, _SPLIT, object),
        "pair_id": [f"v{of // 2:07d}" for of in video.tolist()],
        "method_video": np.where(forged, methods, "").astype(object),
        "method_audio": np.where(forged, voices, "").astype(object),
        "shard": number // _SHARD,
        "offset": number % _SHARD * (_RECORD + 16) + 12,
        "length": np.full(clips, _RECORD),
        "crc": number,
        "has_video": np.ones(clips),
        "has_audio": np.ones(clips),
        "label_video": forged * (methods != ""),
        "label_audio": forged * (voices != ""),
        "label_sync": np.zeros(clips),
        "label": forged,
        "sync_delay_ms": np.zeros(clips),
        "num_frames": np.full(clips, 100),
        "num_samples": np.full(clips, 64_000),
        "audio_offset_ms": np.zeros(clips),
    }
    lengths = [size * (_RECORD + 16) for size in sizes]
    for index, length in enumerate(lengths):
        with (folder / shard_name(_NAME, _SPLIT, index, len(sizes))).open("wb") as file:
            file.truncate(length)
    write_metadata(folder, _NAME, {_SPLIT: [ShardSummary(n, n * _RECORD) for n in sizes]})
    table = table_path(folder, _NAME, _SPLIT)
    write_table(table, columns, list(zip(lengths, sizes, strict=True)))


if __name__ == "__main__":
    _make_up(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
