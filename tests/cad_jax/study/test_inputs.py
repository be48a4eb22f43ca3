import dataclasses
import json
import pathlib
import shutil
import types

import pytest

from cad_jax.settings.experiment import TOWERS, Experiment
from cad_jax.settings.protocol import StudySet
from cad_jax.study.inputs import check_set, configuration_hash, describe_inputs, first_difference
from data_pipelines.commands.prepare import settings_of
from data_pipelines.errors import UserError

STAMP = {"name": "hashed", "sha256": "abc123"}


@pytest.fixture
def prepared(drawn_set, tmp_path):
    """A set as preparation leaves it: `prepared(split=..., flags=...)`."""

    def prepare(name="set", split=STAMP, flags=()) -> pathlib.Path:
        folder = shutil.copytree(drawn_set, tmp_path / name)
        facts = {"settings": dataclasses.asdict(settings_of(flags)), "split": split}
        (folder / "preparation.json").write_text(json.dumps(facts))
        return folder

    return prepare


def wanted(folder, **settings):
    return StudySet(**{"path": str(folder), "reader": "kodf", "split": "hashed"} | settings)


def test_a_set_that_is_as_stated_is_taken(prepared):
    folder = prepared(flags=["--reencode=23", "--window=2"])
    flags = ("--reencode=23", "--window=2")
    check_set(wanted(folder, split_sha256="abc", preparation=flags))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "kfold fold=0"}, "is split by hashed abc123, the protocol says kfold fold=0;"),
        (
            {"split_sha256": "def"},
            "the protocol says hashed def; .*scripts/splits.py --reader=kodf",
        ),
        (
            {"preparation": ("--size=96",)},
            "prepared with size=224, the protocol says 96; .*--size=96",
        ),
    ],
)
def test_a_set_that_was_made_otherwise_is_refused(prepared, settings, message):
    with pytest.raises(UserError, match=message):
        check_set(wanted(prepared(), **settings))


def test_a_set_that_is_not_there_is_told_how_to_make(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not prepared.*--scheme=hashed.*prepare\.py"):
        check_set(wanted(tmp_path / "nowhere"))


def test_inputs_follow_the_content_and_not_the_place(prepared):
    def inputs(folder):
        config = Experiment.from_mapping({"data": {"path": str(folder)}})
        return describe_inputs(config)

    first = inputs(prepared("one"))
    assert list(first) == ["data train 0", "data val 0", "data test 0", "split 0"]
    assert inputs(prepared("two")) == first
    other = inputs(prepared("three", split={"name": "hashed", "sha256": "def456"}))
    assert first_difference(first, other).startswith("split 0 was 'hashed, sha256 abc123'")
    other = inputs(prepared("four", flags=["--loudness=-26"]))
    assert first_difference(first, other).startswith("data train 0 was")
    changed = prepared("five")
    shard = next(changed.glob("*-test.tfrecord-*"))
    shutil.copy(next(changed.glob("*-val.tfrecord-*")), shard)
    assert first_difference(first, inputs(changed)).startswith("data test 0 was")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"data": {"path": "elsewhere", "workers": 3}}, True),
        ({"mesh": {"data": 1}, "init": {"video": "elsewhere"}}, True),
        ({"seed": 1}, False),
        ({"loss": {"kl": 0.5}}, False),
        ({"data": {"batch_size": 3}}, False),
    ],
)
def test_the_configuration_is_what_changes_a_result(changes, same):
    values = {"data": {"path": "here"}}
    hashes = {configuration_hash(Experiment.from_mapping(v)) for v in (values, values | changes)}
    assert (len(hashes) == 1) == same


def test_the_weights_of_every_tower_are_told_apart(prepared, monkeypatch):
    def info(folder: pathlib.Path):
        return types.SimpleNamespace(sha256=f"of {folder.name}")

    monkeypatch.setattr("cad_jax.weights.store.read_weights_info", info)
    model = {"specific_towers": ("video", "audio")}
    config = Experiment.from_mapping(
        {
            "data": {"path": str(prepared())},
            "model": model,
            "init": {tower: tower for tower in TOWERS},
        }
    )
    found = describe_inputs(config)
    assert [found[f"weights {tower}"] for tower in TOWERS] == [f"of {tower}" for tower in TOWERS]
