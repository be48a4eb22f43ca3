"""Every preset and ablation is an experiment, and changes what it says and nothing else."""

import pytest

from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import differences, unstructure
from configs.cad import CHOICES, get_config
from data_pipelines.synthetic.presets import find_preset


def experiment(arg=""):
    values = get_config(arg).to_dict()
    values["data"]["path"] = values["data"]["path"] or "somewhere"
    return Experiment.from_mapping(values)


@pytest.mark.slow
@pytest.mark.parametrize("size", CHOICES["size"])
def test_every_size_is_an_experiment_on_a_set_that_can_be_made(size):
    config = experiment(f"size={size}")
    find_preset(config.data.builder)
    assert make_model(config).shapes


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("alignment", ["loss.align_clip", "loss.align_frame", "loss.kl", "loss.mismatch"]),
        ("distillation", ["loss.distill_feature", "loss.distill_response"]),
        (
            "both",
            [
                "loss.align_clip",
                "loss.align_frame",
                "loss.distill_feature",
                "loss.distill_response",
                "loss.kl",
                "loss.mismatch",
            ],
        ),
        ("fusion", ["model.fusion"]),
        ("audio", ["model.streams"]),
        ("video", ["model.streams"]),
        ("nothing", []),
    ],
)
def test_an_ablation_changes_one_thing(what, changed):
    found = differences(unstructure(experiment()), unstructure(experiment(f"without={what}")), "")
    assert sorted(name.lstrip(".") for name in found) == changed


def test_one_stream_alone_has_no_tower_of_the_other():
    names = make_model(experiment("without=audio")).shapes
    assert not [name for name in names if "audio_tower" in name]
    assert [name for name in names if "video_tower" in name]


@pytest.mark.parametrize(
    ("arg", "message"),
    [("size=tniy", "did you mean 'tiny'"), ("without=fusoin", "did you mean 'fusion'")],
)
def test_a_wrong_choice_names_the_nearest(arg, message):
    with pytest.raises(ValueError, match=message):
        get_config(arg)
