"""Order is a function of (seed, step), whatever the hosts, workers, restarts and damage."""

import contextlib
import itertools
import re
from collections.abc import Iterator

import numpy as np
import pytest
from absl import flags

from data_pipelines.errors import UserError
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.pipeline import evaluation_batches, training_batches
from data_pipelines.loading.sampling import make_strata
from data_pipelines.loading.settings import AugmentConfig, ClipSpec
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.tfrecord import RecordError, read_index

pytestmark = pytest.mark.slow

SPEC = ClipSpec(seconds=1.2, frames=2, image_size=16, mouth_size=8)
AUGMENT = AugmentConfig(
    flip=0.5,
    colour=0.5,
    noise=0.5,
    gain=0.5,
    cutout=0.5,
    sync_shift=0.2,
    sync_exchange=0.2,
    pseudo_fake=0.6,
    drop_video=0.1,
    drop_audio=0.1,
)


@pytest.fixture(scope="module")
def source(drawn_set) -> TFRecordSource:
    return TFRecordSource(drawn_set, "train")


@pytest.fixture
def parsed_flags() -> Iterator[None]:
    """What absl.app.run does before it calls main."""
    was_parsed = flags.FLAGS.is_parsed()
    flags.FLAGS(["pytest"])
    yield
    if not was_parsed:
        flags.FLAGS.unparse_flags()


def take(batches, count: int) -> list[ClipBatch]:
    with contextlib.closing(batches):
        return list(itertools.islice(batches, count))


def join(parts) -> dict[str, np.ndarray]:
    """A global batch from its processes' shares."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def training(source, count: int, processes: int = 1, **options) -> list[dict[str, np.ndarray]]:
    options = {"batch_size": 8, "seed": 5, "clip": SPEC, "augment": AUGMENT} | options
    hosts = [
        take(training_batches(source, process_index=i, process_count=processes, **options), count)
        for i in range(processes)
    ]
    return [join(parts) for parts in zip(*hosts, strict=True)]


def assert_same(left, right) -> None:
    assert len(left) == len(right) > 0
    for ours, theirs in zip(left, right, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_array_equal(theirs[key], value, err_msg=key)


@pytest.fixture(scope="module")
def reference(source) -> list[dict[str, np.ndarray]]:
    """Six batches, so that the second epoch has begun."""
    return training(source, 6)


def test_the_reference_holds_pseudo_fakes(source, reference):
    """So that what follows is tested with them."""
    genuine = source.column("label") == 0
    for label in ("label_video", "label_audio"):
        assert any((batch[label] == 1)[genuine[batch["clip_index"]]].any() for batch in reference)


def test_a_batch_has_the_keys_shapes_and_types_of_the_contract(reference):
    shapes = {
        "frames": ((8, 2, 16, 16, 3), np.uint8),
        "frame_times": ((8, 2), np.float32),
        "frame_mask": ((8, 2), np.bool_),
        "mouth_frames": ((8, 30, 8, 8, 3), np.uint8),
        "mouth_times": ((8, 30), np.float32),
        "mouth_mask": ((8, 30), np.bool_),
        "waveform": ((8, 19200), np.float32),
        "waveform_mask": ((8, 30), np.bool_),
    }
    numbers = ("label_video", "label_audio", "label", "label_sync", "pair", "clip_index")
    shapes |= dict.fromkeys(("has_video", "has_audio", "valid"), ((8,), np.bool_))
    shapes |= dict.fromkeys(numbers, ((8,), np.int32))
    assert reference[0].keys() == shapes.keys() == ClipBatch.__required_keys__
    for key, (shape, dtype) in shapes.items():
        assert (reference[0][key].shape, reference[0][key].dtype) == (shape, dtype), key


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_hosts_change_nothing(source, reference, processes):
    assert_same(training(source, 6, processes=processes), reference)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_resumes_at_its_step(source, reference, processes):
    assert_same(training(source, 3, processes=processes, start_step=3), reference[3:])


@pytest.fixture(scope="module")
def mixture(source, silent_set):
    """A set with sound and one without, three to one, each balanced."""
    both = source + TFRecordSource(silent_set, "train")
    return both, make_strata(both, weights=(3.0, 1.0), balance="method")


@pytest.fixture(scope="module")
def mixed(mixture) -> list[dict[str, np.ndarray]]:
    return training(mixture[0], 4, strata=mixture[1])


@pytest.mark.parametrize("processes", [2, 4])
def test_hosts_change_no_mixture(mixture, mixed, processes):
    assert_same(training(mixture[0], 4, processes=processes, strata=mixture[1]), mixed)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_mixture_resumes_at_its_step(mixture, mixed, processes):
    rest = training(mixture[0], 2, processes=processes, strata=mixture[1], start_step=2)
    assert_same(rest, mixed[2:])


def test_worker_processes_change_nothing(mixture, mixed, parsed_flags):
    assert_same(training(mixture[0], 3, workers=2, strata=mixture[1]), mixed[:3])


def test_a_mixture_masks_what_a_set_lacks(mixture):
    both, strata = mixture
    for batch in training(both, 4, strata=strata, augment=AugmentConfig()):
        silent = both.sets[batch["clip_index"]] == 1
        assert silent.sum() == 2
        assert batch["has_video"].all()
        np.testing.assert_array_equal(batch["has_audio"], ~silent)
        np.testing.assert_array_equal(batch["label_audio"] == -1, silent)
        np.testing.assert_array_equal(batch["label_sync"] == -1, silent)
        np.testing.assert_array_equal(batch["waveform_mask"].any(axis=1), ~silent)
        assert not batch["waveform"][silent].any()
        assert (batch["label"][silent] >= 0).all()
        assert (batch["label"] == 0).sum() == 4


def test_workers_need_parsed_flags(source, monkeypatch):
    monkeypatch.setattr(type(flags.FLAGS), "is_parsed", lambda self: False)
    with pytest.raises(RuntimeError, match=re.escape("absl.app.run")):
        training(source, 1, workers=2)


def test_every_epoch_is_another_permutation(source):
    batches = training(source, 8, augment=AugmentConfig())
    indices = np.concatenate([batch["clip_index"] for batch in batches]).reshape(2, 32)
    np.testing.assert_array_equal(np.sort(indices), np.tile(np.arange(32), (2, 1)))
    assert not np.array_equal(indices[0], indices[1])
    assert not np.array_equal(indices[0], np.arange(32))


def test_an_epoch_boundary_within_a_batch_repeats_no_augmentation(source):
    two = source.subset([0, 1])
    batch = training(two, 1, batch_size=16)[0]
    sounds = {
        row.tobytes() for row, has in zip(batch["waveform"], batch["has_audio"], strict=True) if has
    }
    assert len(sounds) == batch["has_audio"].sum()


def test_the_seed_decides(source, reference):
    other = training(source, 1, seed=6)[0]
    assert not np.array_equal(other["clip_index"], reference[0]["clip_index"])


def test_rows_carry_their_clip_s_labels_and_pair(source):
    batch = training(source, 1, augment=AugmentConfig(), batch_size=32)[0]
    for row, index in enumerate(batch["clip_index"].tolist()):
        for name in ("label_video", "label_audio", "label_sync", "label"):
            assert batch[name][row] == source.column(name)[index]
    same_pair = batch["pair"][:, None] == batch["pair"]
    ids = source.column("pair_id")[batch["clip_index"]]
    np.testing.assert_array_equal(same_pair, ids[:, None] == ids)


def test_a_corrupt_record_changes_no_other_row(write_source, make_clip, tmp_path):
    clips = [make_clip(30, name=f"c{i}") for i in range(8)]
    intact = training(write_source(clips), 4, augment=AugmentConfig())
    shard = tmp_path / "made-train.tfrecord-00001-of-00003"
    offset, _ = read_index(shard)[1].tolist()  # clip 4
    data = bytearray(shard.read_bytes())
    data[offset + 100] ^= 1
    shard.unlink()  # a reader thread may still hold a map of the old file, which must not shrink
    shard.write_bytes(data)
    with pytest.raises(RecordError, match=f"{shard.name}, record at byte {offset}"):
        training(TFRecordSource(tmp_path, "train"), 4, augment=AugmentConfig())
    skipping = TFRecordSource(tmp_path, "train", on_corrupt="skip")
    for ours, theirs in zip(training(skipping, 4, augment=AugmentConfig()), intact, strict=True):
        expected = np.where(theirs["clip_index"] == 4, 5, theirs["clip_index"])
        np.testing.assert_array_equal(ours["clip_index"], expected)
        kept = theirs["clip_index"] != 4
        np.testing.assert_array_equal(ours["frames"][kept], theirs["frames"][kept])
    (batch,) = take(evaluation_batches(skipping, batch_size=8, clip=SPEC), 9)
    np.testing.assert_array_equal(batch["clip_index"], np.arange(8))
    np.testing.assert_array_equal(batch["valid"], np.arange(8) != 4)


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_evaluation_sees_every_clip_once_and_pads(source, processes):
    hosts = [
        take(
            evaluation_batches(
                source, batch_size=10, clip=SPEC, process_index=i, process_count=processes
            ),
            99,
        )
        for i in range(processes)
    ]
    assert [len(host) for host in hosts] == [4] * processes
    batches = [join(parts) for parts in zip(*hosts, strict=True)]
    indices = np.concatenate([batch["clip_index"] for batch in batches])
    np.testing.assert_array_equal(indices, [*range(32)] + [-1] * 8)
    valid = np.concatenate([batch["valid"] for batch in batches])
    np.testing.assert_array_equal(valid, np.arange(40) < 32)
    padding = {key: value[2:] for key, value in batches[-1].items()}
    assert not padding["has_video"].any()
    assert not padding["has_audio"].any()
    assert (padding["label"] == -1).all()
    assert padding["frame_times"].any()


def test_a_batch_that_cannot_be_divided_is_refused(source):
    with pytest.raises(UserError, match="batch_size 8 must be a positive multiple of the 3"):
        training(source, 1, processes=3)
    with pytest.raises(UserError, match="batch_size 0"):
        training(source, 1, batch_size=0)
    with pytest.raises(UserError, match="process_index 2 is not one of 2"):
        training_batches(source, batch_size=8, seed=0, clip=SPEC, process_index=2, process_count=2)


def test_a_shift_that_no_record_has_room_for_is_refused(source):
    spec = ClipSpec(seconds=2.0, frames=2, image_size=16)
    with pytest.raises(UserError, match=r"records of at least 2.2 s .* lasts 2 s"):
        training(source, 1, clip=spec)
    assert training(source, 1, clip=spec, augment=AugmentConfig(sync_exchange=1.0))
