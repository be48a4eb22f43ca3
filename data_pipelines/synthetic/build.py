"""Makes the whole data set: worker processes, shards, resumption, and a mark that says what it is.

Every shard is written whole or not at all, so an interrupted build goes on where it was. The bytes
depend on the version, the preset and the seed, not on workers or interruptions.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
import pathlib
from collections.abc import Iterator

import cv2
import tqdm

from data_pipelines.errors import UserError
from data_pipelines.paths import cache_folder
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.metadata import INFO_FILE, shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.table import write_tables
from data_pipelines.records.tfrecord import ShardSummary, read_index, write_shard
from data_pipelines.synthetic.generate import VERSION, synthetic_clip
from data_pipelines.synthetic.plan import num_clips, split_range
from data_pipelines.synthetic.presets import Preset

MARK_FILE = "synthetic.json"

_CHUNK = 4  # clips a worker makes at a time: the takes of one person
_DESCRIPTION = "Synthetic talking faces with audio-visual forgeries."
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclasses.dataclass(frozen=True)
class _Shard:
    path: pathlib.Path
    clips: range


def default_directory(preset: Preset, seed: int) -> pathlib.Path:
    """Where a set is kept for this user, by name and version."""
    return cache_folder() / f"{preset.name}-{VERSION}-seed{seed}"


def build_dataset(
    directory: str | os.PathLike[str],
    preset: Preset,
    *,
    seed: int = 0,
    workers: int = 1,
    progress: bool = False,
) -> pathlib.Path:
    """Makes the data set, or what is missing of it; does nothing where it is complete.

    Args:
        directory: where the shards go.
        preset: what to make.
        seed: another seed gives other people and other clips.
        workers: processes; 0 makes the clips in this one.
        progress: show a bar, on a terminal.

    Returns:
        The directory.

    Raises:
        UserError: the directory holds something else, or a worker died.
        OSError: the directory cannot be written, or the disk is full; names the file.
    """
    directory = pathlib.Path(directory)
    _claim(directory, preset, seed)
    if (directory / INFO_FILE).exists():
        return directory
    shards = _plan_shards(directory, preset)
    missing = [shard for parts in shards.values() for shard in parts if not shard.path.exists()]
    todo = [clip for shard in missing for clip in shard.clips]
    total = num_clips(preset)
    hidden = not progress or None  # None: where there is no terminal
    bar = tqdm.tqdm(total=total, initial=total - len(todo), unit="clip", disable=hidden)
    with bar, _payloads(preset, seed, todo, workers) as payloads:
        for shard in missing:
            write_shard(shard.path, _counted(itertools.islice(payloads, len(shard.clips)), bar))
    summaries = {split: [_summary(s.path) for s in parts] for split, parts in shards.items()}
    write_metadata(directory, preset.name, summaries, version=VERSION, description=_DESCRIPTION)
    write_tables(directory)
    return directory


def _claim(directory: pathlib.Path, preset: Preset, seed: int) -> None:
    """Marks the directory as this set's, or refuses one that is marked as another's."""
    facts = {"version": VERSION, "seed": seed, "preset": dataclasses.asdict(preset)}
    text = json.dumps(facts, sort_keys=True, indent=2) + "\n"
    mark = directory / MARK_FILE
    directory.mkdir(parents=True, exist_ok=True)
    if mark.exists():
        if mark.read_text(encoding="utf-8") != text:
            raise UserError(
                f"{directory} holds another synthetic set (see {MARK_FILE}); "
                "choose another directory or remove it"
            )
        return
    if any(directory.iterdir()):
        raise UserError(f"{directory} is not empty and no synthetic set; choose another directory")
    with atomic_writer(mark) as write:
        write(text.encode())


def _plan_shards(directory: pathlib.Path, preset: Preset) -> dict[str, list[_Shard]]:
    plan = {}
    for split in preset.takes:
        clips = split_range(preset, split)
        starts = range(clips.start, clips.stop, preset.clips_per_shard)
        plan[split] = [
            _Shard(
                directory / shard_name(preset.name, split, number, len(starts)),
                range(start, min(start + preset.clips_per_shard, clips.stop)),
            )
            for number, start in enumerate(starts)
        ]
    return plan


@contextlib.contextmanager
def _payloads(
    preset: Preset, seed: int, clips: list[int], workers: int
) -> Iterator[Iterator[bytes]]:
    """The records of the given clips in order, made by other processes."""
    make = functools.partial(make_payload, seed, preset)
    if workers == 0 or not clips:
        yield map(make, clips)
        return
    # Spawned: a fork would copy the accelerator's runtime and its locks.
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    try:
        with _single_threaded_children():
            results = pool.map(make, clips, chunksize=_CHUNK)
        yield iter(results)
    except concurrent.futures.process.BrokenProcessPool as error:
        raise UserError(
            "a process that made clips died (out of memory?); run again, it goes on where it was"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def make_payload(seed: int, preset: Preset, index: int) -> bytes:
    """One clip, serialised; at module level because processes find it by name."""
    return encode_clip(synthetic_clip(seed, index, preset))


def _start_worker() -> None:
    cv2.setNumThreads(1)


@contextlib.contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Processes started inside use one thread each; there is one process a core already."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _counted(payloads: Iterator[bytes], bar: tqdm.tqdm) -> Iterator[bytes]:
    for payload in payloads:
        yield payload
        bar.update()


def _summary(path: pathlib.Path) -> ShardSummary:
    lengths = read_index(path)[:, 1]
    return ShardSummary(len(lengths), int(lengths.sum()))
