"""Every preset and ablation is an experiment, and changes what it says and nothing else."""

import pytest

from cad_jax.run.placement import make_model, split_trainable
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.presets import complete
from cad_jax.settings.structure import ConfigError, differences, unstructure
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
        ("kl", ["loss.kl"]),
        ("contrast", ["loss.align_clip", "loss.align_frame"]),
        ("clip_contrast", ["loss.align_clip"]),
        ("frame_contrast", ["loss.align_frame"]),
        ("adapters", ["model.lora.rank"]),
        ("nothing", []),
    ],
)
def test_an_ablation_changes_one_thing(what, changed):
    whole, other = (unstructure(experiment(f"size=b16,without={w}")) for w in ("nothing", what))
    assert sorted(name.lstrip(".") for name in differences(whole, other, "")) == changed


@pytest.mark.slow
def test_without_adapters_the_towers_are_frozen_and_all_else_is_trained():
    names = make_model(experiment("size=b16")).shapes
    adapters = {name for name in names if name.endswith(("/lora_a", "/lora_b"))}
    adapted, _ = split_trainable(experiment("size=b16"), names)
    trained, frozen = split_trainable(
        experiment("size=b16,without=adapters"), [name for name in names if name not in adapters]
    )
    assert {name.split("/")[0] for name in frozen} == {"video_tower", "audio_tower"}
    assert not [name for name in trained if "_tower/" in name]
    assert adapters
    assert set(adapted) == adapters | set(trained)


@pytest.mark.slow
def test_lips_are_frozen_and_the_specific_paths_adapters_are_trained():
    config = experiment("size=lips")
    trained, frozen = split_trainable(config, make_model(config).shapes)
    towers = {"video_tower", "audio_tower", "specific_video_tower"}
    assert {name.split("/")[0] for name in frozen} == towers
    assert {name.split("/")[0] for name in trained if "_tower/" in name} == towers - {"video_tower"}
    assert all("/lora_" in name for name in trained if "_tower/" in name)


def test_one_stream_alone_has_no_tower_of_the_other():
    names = make_model(experiment("without=audio")).shapes
    assert not [name for name in names if "audio_tower" in name]
    assert [name for name in names if "video_tower" in name]


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (
            "lips",
            {"data": {"clip": {"mouth_size": 0}}},
            "model.lips takes mouth crops of 88 pixels",
        ),
        (
            "b16",
            {"init": {"specific_video": "weights/x"}},
            "needs 'video' in model.specific_towers",
        ),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(size, changes, message):
    values = complete(get_config(f"size={size}").to_dict(), changes).to_dict()
    with pytest.raises(ConfigError, match=message):
        Experiment.from_mapping(values)


@pytest.mark.parametrize(
    ("arg", "message"),
    [("size=tniy", "did you mean 'tiny'"), ("without=fusoin", "did you mean 'fusion'")],
)
def test_a_wrong_choice_names_the_nearest(arg, message):
    with pytest.raises(ValueError, match=message):
        get_config(arg)
