"""The description beside the shards: ours to read, and TFDS's."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.records.metadata import (
    FEATURES_FILE,
    INFO_FILE,
    PreparedSet,
    read_metadata,
    shard_name,
    write_metadata,
)
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.tfrecord import ShardSummary, write_shard

SHARDS = {"train": [ShardSummary(3, 300), ShardSummary(2, 200)], "test": [ShardSummary(1, 90)]}


def test_round_trip(tmp_path):
    write_metadata(tmp_path, "clips", SHARDS, version="1.2.0", description="Twelve words.")
    assert sorted(path.name for path in tmp_path.iterdir()) == [INFO_FILE, FEATURES_FILE]
    prepared = read_metadata(tmp_path)
    assert prepared == PreparedSet(
        tmp_path, "clips", "1.2.0", "Twelve words.", {"train": (3, 2), "test": (1,)}
    )
    assert [path.name for path in prepared.shards("train")] == [
        "clips-train.tfrecord-00000-of-00002",
        "clips-train.tfrecord-00001-of-00002",
    ]


def test_the_same_set_gives_the_same_bytes(tmp_path):
    """TFDS lists features in the order of a set of strings, which every process shuffles anew."""
    code = (
        "import sys; from data_pipelines.records.metadata import write_metadata;"
        "write_metadata(sys.argv[1], 'clips', {})"
    )
    contents = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(tmp_path)]
        subprocess.run(command, check=True, env=environment, timeout=120)
        contents.append((tmp_path / FEATURES_FILE).read_bytes())
    assert contents[0] == contents[1]


def test_tfds_opens_the_directory_without_tensorflow(tmp_path):
    import tensorflow_datasets as tfds

    write_metadata(tmp_path, "clips", SHARDS, version="1.2.0")
    info = tfds.builder_from_directory(tmp_path).info
    assert (info.name, str(info.version)) == ("clips", "1.2.0")
    train = info.splits["train"]
    assert (train.num_examples, train.num_bytes) == (5, 500)
    assert [path.name for path in train.filepaths] == [
        shard_name("clips", "train", 0, 2),
        shard_name("clips", "train", 1, 2),
    ]


def test_the_features_are_exactly_the_record_s_fields(tmp_path, clip):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.proto import tf_example_pb2

    write_metadata(tmp_path, "clips", SHARDS)
    described = tfds.builder_from_directory(tmp_path).info.features
    written = tf_example_pb2.Example.FromString(encode_clip(clip)).features.feature
    assert set(described) == set(written)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_tensorflow_parses_the_records(tmp_path, clip):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    summary = write_shard(tmp_path / shard_name("clips", "train", 0, 1), [encode_clip(clip)])
    write_metadata(tmp_path, "clips", {"train": [summary]})
    dataset = tfds.builder_from_directory(tmp_path).as_dataset(split="train")
    (example,) = tfds.as_numpy(dataset)
    # Its own decoder of the same bytes: by default it takes a faster, coarser transform than ours.
    images = [tf.io.decode_jpeg(frame).numpy() for frame in clip.frames]
    np.testing.assert_array_equal(example["frames"], images)
    np.testing.assert_array_equal(example["audio"], clip.audio)
    np.testing.assert_array_equal(example["mouth_boxes"], clip.mouth_boxes)
    np.testing.assert_array_equal(example["frame_times_ms"], clip.frame_times_ms)
    assert example["clip_id"].decode() == clip.clip_id
    assert [identity.decode() for identity in example["source_ids"]] == list(clip.source_ids)
    assert example["label_sync"] == clip.label_sync
    assert example["audio_offset_ms"] == clip.audio_offset_ms


@pytest.mark.parametrize("name", ["", "Clips", "my-clips", "1clips", "a/b"])
def test_a_name_that_tfds_cannot_parse_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="name"):
        write_metadata(tmp_path, name, SHARDS)


def test_an_unknown_split_names_the_nearest(tmp_path):
    write_metadata(tmp_path, "clips", SHARDS)
    with pytest.raises(UserError, match="no split 'tests'; did you mean 'test'"):
        read_metadata(tmp_path).shards("tests")


def test_a_missing_directory(tmp_path):
    with pytest.raises(UserError, match=r"no such directory: .*nowhere; prepare"):
        read_metadata(tmp_path / "nowhere")


def test_an_unfinished_set(tmp_path):
    with pytest.raises(UserError, match=f"{INFO_FILE} is missing; prepare it"):
        read_metadata(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "x", "version": "1", "splits": 3}'])
def test_a_damaged_description(tmp_path, content):
    (tmp_path / INFO_FILE).write_text(content)
    with pytest.raises(UserError, match="not a prepared set's description"):
        read_metadata(tmp_path)


def test_a_description_written_by_tfds_itself(tmp_path):
    """Protobuf's JSON leaves out what is empty."""
    info = {"name": "x", "version": "1.0.0", "splits": [{"name": "train"}]}
    (tmp_path / INFO_FILE).write_text(json.dumps(info))
    assert read_metadata(tmp_path).shard_lengths == {"train": ()}
