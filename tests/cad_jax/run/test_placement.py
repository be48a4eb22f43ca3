"""What is trained is float32, what is frozen as configured; large parameters are spread."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
import pytest

from cad_jax.parallel.mesh import make_mesh
from cad_jax.parallel.rules import RuleError
from cad_jax.run.placement import Placement, make_model, split_trainable
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.optimizer import OptimizerConfig
from cad_jax.training.learner import Learner
from configs.cad import get_config
from configs.pretrain import get_config as get_pretraining

pytestmark = pytest.mark.slow

EVERYTHING = {"trainable": ((".*", True),)}


def b16(**optimizer) -> Experiment:
    values = get_config("data=fakeavceleb,size=b16").to_dict()
    values["optimizer"] |= optimizer
    return Experiment.from_mapping(values)


def learner(config: Experiment, fsdp: int = 1) -> Learner:
    devices = jax.devices()[:fsdp]
    return Learner(config, make_mesh(1, fsdp, devices), make_model(config))


@pytest.mark.parametrize("optimizer", [{}, EVERYTHING], ids=["adapters", "everything"])
def test_trained_parameters_and_their_moments_are_float32(optimizer):
    target = learner(b16(**optimizer, ema_decay=0.9)).target
    assert target.average == target.params
    assert {leaf.dtype for leaf in target.params.values()} == {jnp.dtype("float32")}
    (adam,) = (s for s in target.opt_state if isinstance(s, optax.ScaleByAdamState))
    for moments in (adam.mu, adam.nu):
        assert {leaf.dtype for leaf in moments.values()} == {jnp.dtype("float32")}


def test_frozen_towers_are_stored_as_configured_but_for_their_norms():
    for name, leaf in learner(b16()).frozen_target.items():
        norm = any(word in name for word in ("norm", "ln_"))
        assert leaf.dtype == (jnp.float32 if norm else jnp.bfloat16), name


def test_frozen_heads_are_float32(small_experiment):
    config = small_experiment(
        optimizer={"trainable": (("_tower/", True), (".*", False))},
        model={"frozen_dtype": "bfloat16"},
    )
    placement = Placement(config, make_mesh(), make_model(config))
    assert {leaf.dtype for leaf in placement.targets.values()} == {jnp.dtype("float32")}


def test_a_second_moment_decays():
    """With b2 = 0.999 a moment in bfloat16 stays where it is: each change is below half a step."""
    start = {"x": jnp.full((1,), 0.196)}

    def after(dtype: str) -> float:
        moment = start["x"].astype(dtype)
        for _ in range(2000):
            moment = (0.999 * moment + 0.001 * 1e-8).astype(dtype)
        return float(moment[0])

    assert after("bfloat16") == pytest.approx(0.196, abs=1e-3)
    assert after("float32") == pytest.approx(0.196 * 0.999**2000, rel=1e-3)


def test_with_fsdp_large_parameters_are_spread_by_default():
    config = b16(**EVERYTHING)
    whole, spread = learner(config), learner(config, fsdp=4)

    def bytes_a_device(target) -> int:
        return sum(
            leaf.dtype.itemsize * int(jnp.prod(jnp.array(leaf.sharding.shard_shape(leaf.shape))))
            for leaf in jax.tree.leaves(target)
        )

    assert bytes_a_device(spread.target) < 0.26 * bytes_a_device(whole.target)
    scales = [name for name in spread.shardings if name.endswith("/scale")]
    assert all(spread.shardings[name].is_fully_replicated for name in scales)


def test_rules_choose_the_trainables():
    names = ("tower/kernel", "tower/lora_a")
    config = Experiment(optimizer=OptimizerConfig(trainable=(("lora", True), (".*", False))))
    assert split_trainable(config, names) == (["tower/lora_a"], ["tower/kernel"])
    config = Experiment(optimizer=OptimizerConfig(trainable=(("vision", False), (".*", True))))
    with pytest.raises(RuleError, match="'vision' decides no parameter"):
        split_trainable(config, names)


def test_a_pretraining_trains_the_alignment_path_alone():
    config = b16(**EVERYTHING)
    names = make_model(config).shapes
    everything, _ = split_trainable(config, names)
    assert len(everything) == len(names)
    pretraining = Experiment.from_mapping(get_pretraining("size=b16").to_dict())
    alignment, frozen = split_trainable(pretraining, names)
    assert {name.split("/")[0] for name in alignment} == {
        "video_tower", "audio_tower", "align_video", "align_audio",
        "log_clip_scale", "log_frame_scale",
    }  # fmt: skip
    assert any("lora" in name for name in frozen)


def test_the_sigmoid_contrast_has_one_parameter_more_in_the_alignment_path():
    softmax = Experiment.from_mapping(get_pretraining("size=b16").to_dict())
    loss = dataclasses.replace(softmax.loss, contrast="sigmoid")
    sigmoid = dataclasses.replace(softmax, loss=loss)
    plain, more = (split_trainable(c, make_model(c).shapes)[0] for c in (softmax, sigmoid))
    assert set(more) - set(plain) == {"clip_bias"}
    assert set(plain) < set(more)
