"""Prepared sets by name: metadata always, examples where TensorFlow is installed."""

import importlib.util
import pathlib
import pickle
import wave

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_pipelines.benchmarks import tfds_builders
from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.registry import READERS
from data_pipelines.benchmarks.tfds_builders import PreparedClips
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.run import prepare
from data_pipelines.records.metadata import read_metadata, write_metadata
from data_pipelines.records.tfrecord import ShardSummary

SAMPLES = np.arange(16_000, dtype=np.int16)
BUILDERS = {cls.name: cls for cls in PreparedClips.__subclasses__()}


def prepared(directory: pathlib.Path, dataset: str) -> pathlib.Path:
    """What preparation makes of two sounds, one in each split."""
    sound = directory.parent / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SAMPLES.tobytes())
    sources = [
        ClipSource(sound, f"{split}.wav", dataset, split=split, label_audio=1)
        for split in ("train", "test")
    ]
    prepare(sources, PrepareSettings(), directory)
    return directory


def test_every_benchmark_with_a_reader_has_a_builder():
    assert {f"{name}_clips" for name in READERS if name != "folder"} == set(BUILDERS)


def test_an_output_folder_opens_by_name(tmp_path):
    builder = tfds.builder("kodf_clips", data_dir=prepared(tmp_path / "out", "kodf"))
    assert isinstance(builder, tfds_builders.BUILDERS["kodf"])
    assert builder.info.description == "kodf, prepared face clips with sound"
    assert {split: info.num_examples for split, info in builder.info.splits.items()} == {
        "train": 1, "test": 1
    }  # fmt: skip
    (shard,) = builder.info.splits["train"].filepaths
    assert pathlib.Path(shard) in read_metadata(tmp_path / "out").shards("train")
    assert pathlib.Path(shard).exists()
    assert builder.info.features["frames"].feature.shape == (None, None, 3)


@pytest.mark.parametrize("name", BUILDERS)
def test_tfds_own_layout_opens_the_newest_or_the_asked_for_version(tmp_path, name):
    for version in ("1.0.0", "1.2.0"):
        (tmp_path / name / version).mkdir(parents=True)
        shards = {"train": [ShardSummary(3, 300)]}
        dataset = name.removesuffix("_clips")
        write_metadata(tmp_path / name / version, dataset, shards, version=version)
    newest = tfds.builder(name, data_dir=tmp_path)
    assert isinstance(newest, BUILDERS[name])
    assert str(newest.version) == "1.2.0"
    assert str(tfds.builder(f"{name}:1.0.0", data_dir=tmp_path).version) == "1.0.0"


def test_a_builder_survives_pickling(tmp_path):
    builder = tfds.builder("lavdf_clips", data_dir=prepared(tmp_path / "out", "lavdf"))
    again = pickle.loads(pickle.dumps(builder))
    assert isinstance(again, tfds_builders.BUILDERS["lavdf"])
    assert again.data_dir == builder.data_dir


def test_another_set_is_refused(tmp_path):
    directory = prepared(tmp_path / "out", "kodf")
    with pytest.raises(UserError, match="holds kodf_clips, not dfdc_clips"):
        tfds.builder("dfdc_clips", data_dir=directory)


def test_nothing_there_is_tfds_own_error(tmp_path):
    with pytest.raises(tfds.core.DatasetNotFoundError, match="dfdc_clips"):
        tfds.builder("dfdc_clips", data_dir=tmp_path)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_tfds_load_gives_the_examples(tmp_path):
    directory = prepared(tmp_path / "out", "fakeavceleb")
    dataset = tfds.load("fakeavceleb_clips", data_dir=directory, split="test")
    (example,) = tfds.as_numpy(dataset)
    assert example["clip_id"] == b"fakeavceleb/test.wav#0"
    assert example["split"] == b"test"
    assert example["label_audio"] == 1
    np.testing.assert_array_equal(example["audio"], SAMPLES)
