"""A pretraining has the model of the same size's training, and learns by alignment alone."""

import pytest

from cad_jax.settings.experiment import Experiment
from cad_jax.settings.loss import weights
from cad_jax.settings.structure import ConfigError
from configs.cad import get_config as get_training
from configs.pretrain import CHOICES, get_config


def experiment(arg):
    return Experiment.from_mapping(get_config(arg).to_dict())


@pytest.mark.parametrize("size", CHOICES["size"])
def test_every_size_pretrains_the_model_of_the_training(size):
    config = experiment(f"size={size}")
    training = Experiment.from_mapping(get_training(f"size={size}").to_dict())
    assert (config.stage, training.stage) == ("pretrain", "train")
    assert (config.model, config.data.clip) == (training.model, training.data.clip)
    learned_by = {name for name in weights() if getattr(config.loss, name)}
    assert learned_by == {"align_clip", "align_frame"}
    assert config.data.genuine_only == "all"
    assert config.optimizer.ema_decay > 0


@pytest.mark.parametrize("data", ["voxceleb2", "lrs3", "avspeech"])
def test_a_benchmark_lies_where_its_reader_is_told_to_prepare_it(data):
    assert experiment(f"data={data}").data.path == f"prepared/{data}"


@pytest.mark.parametrize("data", ["synthetic", "folder"])
def test_other_sets_are_found_as_for_a_training(data):
    found = experiment(f"data={data}").data
    training = Experiment.from_mapping(get_training(f"data={data}").to_dict()).data
    assert (found.path, found.builder) == (training.path, training.builder)


def test_a_training_cannot_be_called_a_pretraining():
    with pytest.raises(ConfigError, match=r"loss\.cls needs labels of forgery.*set it to 0"):
        Experiment.from_mapping(get_training().to_dict() | {"stage": "pretrain"})


def test_a_wrong_choice_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'voxceleb2'"):
        get_config("data=voxceleb")
