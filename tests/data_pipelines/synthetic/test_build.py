"""Building: any number of workers, interruptions and directories."""

import dataclasses
import pathlib
import shutil

import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import read_metadata
from data_pipelines.synthetic.build import build_dataset, default_directory


@pytest.fixture(scope="module")
def preset(preset):
    return dataclasses.replace(preset, takes={"train": 3, "val": 2}, clips_per_shard=4)


@pytest.fixture(scope="module")
def built(preset, tmp_path_factory):
    return build_dataset(tmp_path_factory.mktemp("built"), preset, workers=0)


def files(directory: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_all_clips_are_in_their_splits(built, preset):
    prepared = read_metadata(built)
    assert prepared.shard_lengths == {
        "train": (4, 2), "val": (4,)
    }  # fmt: skip
    for split in preset.takes:
        assert set(TFRecordSource(built, split).column("split")) == {split}


def test_spawned_workers_make_the_same_bytes(built, preset, tmp_path):
    # Workers have one BLAS thread, this process more: no sum may depend on that.
    again = build_dataset(tmp_path / "again", preset, workers=2)
    assert files(again) == files(built)


def test_an_interrupted_build_goes_on(built, preset, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    (copy / "dataset_info.json").unlink()
    lost = copy / "synthetic_test-val.tfrecord-00000-of-00001"
    lost.unlink()
    made = []
    from data_pipelines.synthetic import build

    original = build.make_payload
    monkeypatch.setattr(
        build, "make_payload", lambda *args: made.append(args[-1]) or original(*args)
    )
    build_dataset(copy, preset, workers=0)
    assert made == [6, 7, 8, 9]
    assert files(copy) == files(built)


def test_a_finished_set_is_left_alone(built, preset):
    before = {path: path.stat().st_mtime_ns for path in built.iterdir()}
    build_dataset(built, preset, workers=0)
    assert {path: path.stat().st_mtime_ns for path in built.iterdir()} == before


def test_another_set_is_not_overwritten(built, preset, tmp_path):
    with pytest.raises(UserError, match="holds another synthetic set"):
        build_dataset(built, preset, seed=1, workers=0)
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="is not empty"):
        build_dataset(tmp_path, preset, workers=0)


def test_the_default_place_names_preset_version_and_seed(preset, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    place = default_directory(preset, 3)
    assert place.parent == pathlib.Path("/somewhere/cad_jax")
    assert place.name.startswith("synthetic_test-")
    assert place.name.endswith("-seed3")
