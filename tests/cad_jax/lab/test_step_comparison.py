"""PyTorch's twin is the same model: losses, gradient and update; of towers of every kind."""

import dataclasses

import pytest

from cad_jax.lab.step_comparison import StepComparison, compare_with_torch
from cad_jax.settings.loss import LossConfig
from data_pipelines.errors import UserError

STEMS = {
    "video": {"stem": "conv", "pool": "mean_max", "patch_size": 8},
    "specific_video": {"width": 32, "depth": 0, "heads": 2, "image_size": 32, "patch_size": 8}
    | {"stem": "conv", "pool": "mean_max", "residual": True},
    "specific_audio": {"width": 32, "depth": 1, "heads": 2, "stem": "spectrogram"},
    "specific_towers": ["video", "audio"],
    "texture_statistics": True,
    "voice_statistics": True,
    "temporal_depth": 1,
    "centre_time": True,
}
ADAPTED = [["lora_", True], ["_tower/", False], [".*", True]]


def test_the_ratio_is_the_median_of_the_rounds():
    compared = StepComparison((1.0, 3.0, 1.0), (2.0, 2.0, 1.0), ([2.0], [2.0]), ([4.0], [5.0]))
    assert compared.ratio == 1.0
    assert compared.difference == pytest.approx(0.2)
    assert compared.lines()[1] == "round 2: 3.000 s a step, PyTorch 2.000 s, ratio 1.50"


def test_what_the_twin_has_not_is_refused(small_experiment):
    with pytest.raises(UserError, match="leave out without="):
        compare_with_torch(small_experiment(model={"streams": "video"}), 1, 1)
    lips = {"align_tower": "lips", "specific_towers": ["video"], "lips": {"image_size": 8}}
    clip = {"seconds": 1.0, "frames": 5, "image_size": 32, "mouth_size": 8}
    with pytest.raises(UserError, match="has no lip tower"):
        compare_with_torch(small_experiment(model=lips, data={"clip": clip}), 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, STEMS], ids=["adapted", "stems"])
def test_the_twin_is_the_same_model(small_experiment, changes):
    pytest.importorskip("torch")
    config = small_experiment(optimizer={"trainable": ADAPTED, "weight_decay": 0.1})
    values = config.to_mapping()
    for name, change in changes.items():
        values["model"][name] = (
            values["model"][name] | change if isinstance(change, dict) else change
        )
    config = type(config).from_mapping(values)
    config = dataclasses.replace(config, loss=LossConfig(kl=0.1))
    compared = compare_with_torch(config, steps=1, rounds=1)
    assert len(compared.losses[0]) == 2
    assert compared.difference < 1e-4
