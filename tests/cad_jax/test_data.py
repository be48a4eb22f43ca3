"""What training is given: one set or several, all of it or the genuine clips."""

import dataclasses
import json
import logging
import math
import shutil

import numpy as np
import pytest

from cad_jax.data import measure_priors, open_evaluation, open_training, sample_training
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import ConfigError
from configs import cad
from data_pipelines.errors import UserError
from data_pipelines.loading.draw import TrainingDraws, summarise
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.synthetic.drawn import write_drawn_set


@pytest.fixture(scope="module")
def other_set(tmp_path_factory):
    return write_drawn_set(tmp_path_factory.mktemp("other"), count=24, seed=1)


@pytest.fixture
def config(drawn_set):
    values = cad.get_config("data=folder").to_dict()
    values["data"] |= {"path": str(drawn_set)}
    return lambda **data: Experiment.from_mapping(values | {"data": values["data"] | data})


@pytest.fixture
def priors():
    """The shares of fakes that training with a configuration measures: all, picture, sound."""

    def measure(config: Experiment) -> tuple[float, float, float]:
        source = open_training(config.data)
        found = measure_priors(config.data, source, sample_training(config.data, source))
        return found.fake, found.fake_video, found.fake_audio

    return measure


def ids(source) -> list[str]:
    return source.column("clip_id").tolist()


def test_one_set_is_its_training_split(config, drawn_set):
    split = ids(TFRecordSource(drawn_set, "train"))
    assert ids(open_training(config().data)) == split
    assert ids(open_training(config(limit=5).data)) == split[:5]


def test_extra_sets_are_for_training_only(config, drawn_set, other_set):
    data = config(extra_paths=(str(other_set),)).data
    both = open_training(data)
    single = open_training(config().data)
    extra = open_training(config(path=str(other_set)).data)
    assert ids(both) == ids(single) + ids(extra)
    np.testing.assert_array_equal(both.sets, [0] * len(single) + [1] * len(extra))
    for split in ("val", "test"):
        assert ids(open_evaluation(data, split)) == ids(open_evaluation(config().data, split))


def test_genuine_clips_only(config, other_set):
    paths = {"extra_paths": (str(other_set),)}
    parts = {
        choice: open_training(config(genuine_only=choice, **paths).data)
        for choice in ("none", "extra", "all")
    }
    everything = parts["none"]
    real = everything.column("label") == 0
    expected = {"none": real | True, "extra": real | (everything.sets == 0), "all": real}
    for choice, part in parts.items():
        assert ids(part) == [ids(everything)[i] for i in np.flatnonzero(expected[choice])]


def test_a_missing_extra_set_is_named(config):
    with pytest.raises(UserError, match="no such directory: /nowhere"):
        open_training(config(extra_paths=("/nowhere",)).data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"genuine_only": "extra"}, "extra_paths names no set"),
        ({"extra_paths": ("/set", "/set")}, "extra_paths names a set twice"),
        ({"path": "/set", "extra_paths": ("/set",)}, "or path again"),
        ({"genuine_only": "al"}, "did you mean 'all'"),
        ({"path": "/set", "evaluate_paths": ("/set",)}, "evaluate_paths names a set twice"),
        ({"mixture_weights": (1.0, 2.0)}, "mixture_weights needs 1 numbers"),
        ({"mixture_weights": (0.0,)}, "mixture_weights must be positive"),
        ({"mixture_weights": (math.nan,)}, "mixture_weights must be positive"),
        ({"mixture_weights": (1.0,), "limit": 5}, "limit takes the first set's clips"),
        ({"balance": "clas"}, "did you mean 'class'"),
        ({"balance": "class", "genuine_only": "all"}, "balance needs forged clips"),
        ({"extra_paths": "/set"}, "config.data.extra_paths must be a list"),
    ],
)
def test_contradictions_are_refused(config, values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_evaluation_is_of_the_sets_named(config, silent_set):
    source = open_evaluation(config(evaluate_paths=(str(silent_set),)).data, "test")
    parts = [
        open_evaluation(config(**data).data, "test") for data in ({}, {"path": str(silent_set)})
    ]
    assert ids(source) == ids(parts[0]) + ids(parts[1])
    np.testing.assert_array_equal(source.sets, [0] * len(parts[0]) + [1] * len(parts[1]))


def test_a_set_without_a_split_is_not_evaluated_there(config, silent_set, tmp_path, caplog):
    for file in silent_set.iterdir():
        (tmp_path / file.name.replace("-val.", "-dev.")).write_bytes(file.read_bytes())
    info = tmp_path / "dataset_info.json"
    info.write_text(info.read_text().replace('"val"', '"dev"'))
    data = config(evaluate_paths=(str(tmp_path),)).data
    with caplog.at_level(logging.INFO):
        assert ids(open_evaluation(data, "val")) == ids(open_evaluation(config().data, "val"))
    assert f"{tmp_path} has no split 'val'" in caplog.text
    assert len(open_evaluation(data, "test")) == 12
    assert len(open_evaluation(data, "dev")) == 4
    with pytest.raises(UserError, match="no split 'dev'"):  # path must have what chooses
        open_evaluation(dataclasses.replace(data, validation_split="dev"), "dev")
    with pytest.raises(UserError, match="no split 'nowhere'"):
        open_evaluation(data, "nowhere")


def test_evaluated_sets_with_clips_of_one_name_are_refused(config, other_set):
    with pytest.raises(UserError, match=r"both hold 'drawn/.*' in split 'val'"):
        open_evaluation(config(evaluate_paths=(str(other_set),)).data, "val")


@pytest.mark.parametrize(
    ("other", "said"), [({"format": 6}, "6"), ({"settings": {}}, "an older one"), ({}, None)]
)
@pytest.mark.parametrize(
    ("key", "opened"),
    [
        ("extra_paths", open_training),
        ("evaluate_paths", lambda data: open_evaluation(data, "test")),
    ],
)
def test_sets_of_different_formats_are_not_mixed(
    config, drawn_set, silent_set, tmp_path, other, said, key, opened
):
    for name, found, facts in (("a", drawn_set, {"format": 7}), ("b", silent_set, other)):
        shutil.copytree(found, tmp_path / name)
        (tmp_path / name / "preparation.json").write_text(json.dumps(facts))
    data = config(path=str(tmp_path / "a"), **{key: (str(tmp_path / "b"),)}).data
    if said is None:  # nobody prepared it from files
        alone = [opened(config(path=str(found)).data) for found in (drawn_set, silent_set)]
        assert len(opened(data)) == sum(map(len, alone))
    else:
        with pytest.raises(UserError, match=rf"different formats \(.*/a: 7, .*/b: {said}\)"):
            opened(data)


@pytest.mark.parametrize("opened", [open_training, lambda data: open_evaluation(data, "val")])
def test_clips_without_any_label_are_refused_with_how_to_label(config, unlabelled_set, opened):
    with pytest.raises(
        UserError, match=r"no clip of drawn/(train|val) in .* has a label: .* labels=fold"
    ):
        opened(config(path=str(unlabelled_set)).data)


def test_a_test_split_without_labels_is_scored_all_the_same(config, unlabelled_set):
    assert len(open_evaluation(config(path=str(unlabelled_set)).data, "test"))


def test_uneven_shares_are_logged(config, silent_set, caplog):
    data = config(extra_paths=(str(silent_set),), mixture_weights=(3, 1), balance="class").data
    with caplog.at_level(logging.INFO):
        sample_training(data, open_training(data))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert f"12.5 % of the training: {silent_set}, 4 clips: forged" in lines


def test_priors_follow_what_is_drawn(config, priors, silent_set):
    """Of the drawn set 3/4 are forged (1/4 in the picture, 1/4 in the sound), of the silent 1/4."""
    paths = {"extra_paths": (str(silent_set),), "augment": {}}
    assert priors(config(**paths)) == pytest.approx((29 / 50, 13 / 50, 9 / 34))
    # As often as in 48 clips of which half are from each set, and one of each class.
    mixed = priors(config(**paths, mixture_weights=(1, 1)))
    assert mixed == pytest.approx(((18 + 6 + 1) / 50, (6 + 6 + 1) / 50, (6 + 1) / 26))
    balanced = priors(config(**paths, mixture_weights=(1, 1), balance="class"))
    assert balanced == pytest.approx((25 / 50, (4 + 12 + 1) / 50, (4 + 1) / 26))


def test_priors_count_what_becomes_of_the_clips(config, priors):
    """A quarter of the rows is genuine and in sync before a third of them is put out of it."""
    plain = config()
    source = open_training(plain.data)
    draws = TrainingDraws(source, plain.data.clip, plain.data.augment, seed=0)
    labels = summarise(draws[row] for row in range(2000)).labels
    for name, prior in zip(("label", "label_video", "label_audio"), priors(plain), strict=True):
        fake, known = labels[name][1], 1 - labels[name][-1]
        n = len(source)
        assert prior == pytest.approx((n * fake + 1) / (n * known + 2), abs=0.01), name
    assert priors(plain)[0] > priors(config(augment={}))[0] + 0.02


def test_priors_count_pseudo_fakes(config, priors):
    plain = config(genuine_only="all", augment={})
    source = open_training(plain.data)
    augment = dataclasses.replace(
        plain.data.augment, pseudo_fake=0.5, pseudo_fake_operations=("mouth",)
    )
    forging = dataclasses.replace(plain, data=dataclasses.replace(plain.data, augment=augment))
    assert priors(plain)[0] == pytest.approx(1 / (len(source) + 2))
    _, prior_video, prior_audio = priors(forging)
    seen = source.column("has_video").sum()
    heard = source.column("has_audio").sum()
    assert prior_video == pytest.approx((0.5 * seen + 1) / (seen + 2))
    assert prior_audio == pytest.approx(1 / (heard + 2))
