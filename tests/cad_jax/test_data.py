"""What training is given: one set or several, all of it or the genuine clips."""

import dataclasses

import numpy as np
import pytest

from cad_jax.config import ConfigError
from cad_jax.data import measure_priors, open_split, open_training
from cad_jax.experiment import ExperimentConfig
from configs import cad
from data_pipelines.errors import UserError
from data_pipelines.synthetic.drawn import write_drawn_set


@pytest.fixture(scope="module")
def other_set(tmp_path_factory):
    return write_drawn_set(tmp_path_factory.mktemp("other"), count=24, seed=1)


@pytest.fixture
def config(drawn_set):
    values = cad.get_config("data=folder").to_dict()
    values["data"] |= {"path": str(drawn_set)}
    return lambda **data: ExperimentConfig.from_mapping(values | {"data": values["data"] | data})


def ids(source) -> list[str]:
    return [clip.clip_id for clip in source.summaries]


def test_one_set_is_its_training_split(config):
    data = config().data
    assert ids(open_training(data)) == ids(open_split(data, "train"))
    assert ids(open_training(config(limit=5).data)) == ids(open_split(data, "train"))[:5]


def test_extra_sets_are_for_training_only(config, drawn_set, other_set):
    data = config(extra_paths=(str(other_set),)).data
    both = open_training(data)
    single = open_training(config().data)
    extra = open_training(config(path=str(other_set)).data)
    assert ids(both) == ids(single) + ids(extra)
    np.testing.assert_array_equal(both.sets, [0] * len(single) + [1] * len(extra))
    for split in ("val", "test"):
        assert ids(open_split(data, split)) == ids(open_split(config().data, split))


def test_genuine_clips_only(config, other_set):
    paths = {"extra_paths": (str(other_set),)}
    parts = {
        choice: open_training(config(genuine_only=choice, **paths).data)
        for choice in ("none", "extra", "all")
    }
    everything = parts["none"]
    real = np.array([clip.label for clip in everything.summaries]) == 0
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
        ({"extra_paths": "/set"}, "config.data.extra_paths must be a list"),
    ],
)
def test_contradictions_are_refused(config, values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_priors_count_pseudo_fakes(config):
    plain = config(genuine_only="all")
    source = open_training(plain.data)
    augment = dataclasses.replace(
        plain.data.augment, pseudo_fake=0.5, pseudo_fake_operations=("mouth",)
    )
    forging = dataclasses.replace(plain, data=dataclasses.replace(plain.data, augment=augment))
    assert measure_priors(plain, source).prior_fake == pytest.approx(1 / (len(source) + 2))
    loss = measure_priors(forging, source)
    seen = sum(clip.has_video for clip in source.summaries)
    heard = sum(clip.has_audio for clip in source.summaries)
    assert loss.prior_fake_video == pytest.approx((0.5 * seen + 1) / (seen + 2))
    assert loss.prior_fake_audio == pytest.approx(1 / (heard + 2))
