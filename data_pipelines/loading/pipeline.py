"""The loader: prepared clips in, batches out, in an order that is a function of (seed, step) alone.

Owns sharding over hosts, padding and prefetching, through Grain; the order of rows is `sampling`'s.
Knows nothing of what is done with a batch, and never touches an accelerator.

A global batch is what the processes yield at the same step, concatenated in the order of their
indices. It is the same for any number of processes and workers, row by row, because everything
random is drawn before the batches are dealt out; resuming needs the step and nothing else.
"""

from collections.abc import Generator, Sequence

import grain
from absl import flags

from data_pipelines.errors import UserError
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.draw import TrainingDraws
from data_pipelines.loading.rows import EvaluationRow, TrainingRow
from data_pipelines.loading.sampling import ROWS, Stratum, derived_seed
from data_pipelines.loading.settings import NO_AUGMENTATION, AugmentConfig, ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.loading.views import View, centred
from data_pipelines.records.clip import FRAME_RATE
from data_pipelines.records.feature_store import FeatureStore

_READ_THREADS = 2  # a record is hundreds of kB: more threads only compete for memory
_BATCHES_AHEAD = 4


def training_batches(
    source: TFRecordSource,
    *,
    batch_size: int,
    seed: int,
    clip: ClipSpec,
    augment: AugmentConfig = NO_AUGMENTATION,
    strata: Sequence[Stratum] = (),
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    workers: int = 0,
    features: tuple[FeatureStore, ...] = (),
) -> Generator[ClipBatch, None, None]:
    """Shuffled, augmented batches without end; every epoch is a new permutation of its clips.

    Args:
        source: the clips.
        batch_size: of the global batch, a multiple of `process_count`.
        seed: with the step, decides everything.
        clip: the rows' shape.
        augment: what may happen to a clip.
        strata: which clips are drawn how often, see `make_strata`; empty for all equally often.
        start_step: the first batch's number; how a run resumes.
        process_index, process_count: which share of every global batch to yield.
        workers: worker processes; 0 reads in threads, which is as fast on few cores. Workers need
            absl's flags parsed and the caller's script behind `if __name__ == "__main__"`.
        features: one store for each of the source's sets, to be read with every clip, which is
            then always cut from its record's middle; none to leave the batches without.

    Returns:
        Batches of `batch_size // process_count` rows. Reading stops when the generator is closed or
        goes out of scope.

    Raises:
        UserError: the batch cannot be divided, or no clip has room for the configured sync shift.
        RuntimeError: workers were asked for where absl's flags are not parsed.
        RecordError: from the iterator; a record is corrupt and the source's policy is `error`.
    """
    local_size = _local_batch_size(batch_size, process_index, process_count)
    _check_room_for_shift(source, clip, augment)
    draws = TrainingDraws(source, clip, augment, seed=seed, strata=strata)
    rows = grain.MapDataset.source(draws).random_map(
        TrainingRow(draws, features), seed=derived_seed(seed, ROWS)
    )
    # Without drop_remainder, Grain rounds an endless set's length up beyond what Python can index.
    batches = rows.batch(local_size, drop_remainder=True)
    return _iterate(_prefetched(batches[process_index::process_count][start_step:], workers))


def evaluation_batches(
    source: TFRecordSource,
    *,
    batch_size: int,
    clip: ClipSpec,
    process_index: int = 0,
    process_count: int = 1,
    workers: int = 0,
    views: Sequence[View] = (centred,),
) -> Generator[ClipBatch, None, None]:
    """Every clip once, in the source's order, unchanged; with several views so for each in turn.

    A clip is seen through the window in its middle: records are windows of a video already, and
    evaluation combines the scores of a video's records. Other views see it otherwise, or not at
    all: then valid is False. No two share a batch.

    The last batches are padded so that every process yields as many; padding has valid False and
    clip_index -1. A corrupt record that the source skips has valid False under its own clip_index,
    so that it is counted as not scored.

    Args, Returns, Raises: as `training_batches`.
    """
    local_size = _local_batch_size(batch_size, process_index, process_count)
    num_rows = -(-len(source) // batch_size) * batch_size
    rows = [
        grain.MapDataset.range(num_rows).map(EvaluationRow(source, clip, view)) for view in views
    ]
    batches = grain.MapDataset.concatenate(rows).batch(local_size)[process_index::process_count]
    return _iterate(_prefetched(batches, workers))


def _local_batch_size(batch_size: int, process_index: int, process_count: int) -> int:
    if batch_size < 1 or batch_size % process_count:
        raise UserError(
            f"batch_size {batch_size} must be a positive multiple of the {process_count} processes"
        )
    if not 0 <= process_index < process_count:
        raise UserError(f"process_index {process_index} is not one of {process_count} processes")
    return batch_size // process_count


def _check_room_for_shift(source: TFRecordSource, clip: ClipSpec, augment: AugmentConfig) -> None:
    """A shift that no record has room for would silently never happen."""
    if not augment.sync_shift:
        return
    longest = int(source.column("num_frames").max()) / FRAME_RATE
    needed = clip.seconds + augment.sync_shift_seconds[0]
    if longest < needed:
        raise UserError(
            f"sync_shift needs records of at least {needed:g} s for clips of {clip.seconds:g} s; "
            f"the longest of {source!r} lasts {longest:g} s: shorten the clips or prepare longer "
            "records"
        )


def _prefetched(batches: grain.MapDataset, workers: int) -> grain.IterDataset:
    if workers and not flags.FLAGS.is_parsed():
        raise RuntimeError(
            "loader workers need absl's flags parsed: start through absl.app.run behind "
            'if __name__ == "__main__", or use workers=0'
        )
    options = grain.ReadOptions(num_threads=_READ_THREADS, prefetch_buffer_size=_BATCHES_AHEAD)
    dataset = batches.to_iter_dataset(options)
    if workers:
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return dataset


def _iterate(dataset: grain.IterDataset) -> Generator[ClipBatch, None, None]:
    """Closes Grain's threads and workers with the generator, not at the interpreter's exit."""
    iterator = iter(dataset)
    try:
        yield from iterator
    finally:
        iterator.close()
