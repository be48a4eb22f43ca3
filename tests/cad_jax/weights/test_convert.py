"""What is not exactly one of the towers is refused, and every fault is named."""

import ml_dtypes
import numpy as np
import pytest

from cad_jax.settings.model import ViTConfig, WhisperConfig
from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.published import WeightsError


def test_the_architecture_is_read_from_shapes_and_settings(converted):
    assert converted("clip").config == ViTConfig(24, 8, width=32, depth=2, heads=2)
    whisper = WhisperConfig(mels=16, width=32, depth=2, heads=2, max_tokens=50)
    assert converted("whisper").config == whisper


def test_without_settings_heads_and_activation_are_openais(golden, publish):
    config = convert(open_published(publish(golden("clip").weights))).config
    assert config == ViTConfig(24, 8, width=32, depth=2, heads=1, activation="quick_gelu")


def test_settings_of_a_model_with_both_towers(golden, publish):
    model = golden("clip")
    vision = model.config | {"hidden_act": "gelu"}
    both = {"model_type": "clip", "vision_config": vision, "text_config": {"hidden_size": 99}}
    assert convert(open_published(publish(model.weights, both))).config.activation == "gelu"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_stays_what_it_is(dtype, golden, publish):
    model = golden("whisper")
    halves = {name: array.astype(dtype) for name, array in model.weights.items()}
    weights = convert(open_published(publish(halves, model.config)))
    kernel = weights.params["blocks/1/mlp/up/kernel"]
    assert kernel.dtype == dtype
    np.testing.assert_array_equal(kernel, halves["encoder.layers.1.fc1.weight"].T)


def drop(name):
    return lambda model: model.weights.pop(name)


def put(name, change):
    return lambda model: model.weights.update({name: change(model.weights.get(name))})


def state(**settings):
    return lambda model: model.config.update(settings)


def without_settings(spoil):
    return lambda model: (model.config.clear(), spoil(model))


def nan(x):
    x = x.copy()
    x[3] = np.nan
    return x


FC1 = "encoder.layers.1.fc1.weight"
FAULTS = {
    "missing": ("whisper", drop(FC1), f"missing {FC1}"),
    "unknown": ("whisper", put("encoder.gate", lambda _: np.ones(2)), "unknown encoder.gate"),
    "third block": (
        "clip",
        put("encoder.layers.7.layer_norm1.bias", lambda _: np.ones(32, np.float32)),
        "unknown encoder.layers.7.layer_norm1.bias",
    ),
    "shape": ("whisper", put(FC1, lambda x: x[:-1]), r"blocks/1/mlp/up/kernel is \(32, 127\), not"),
    "rank": ("whisper", put("encoder.conv2.weight", lambda x: x[0]), r"stem/conv2/kernel is \(3"),
    "patches": (
        "clip",
        without_settings(put("embeddings.patch_embedding.weight", lambda x: x[:, :, :-1])),
        r"stem/embedding/kernel is \(168, 32\), not \(147, 32\)",
    ),
    "no square": (
        "clip",
        without_settings(put("embeddings.position_embedding.weight", lambda x: x[:-1])),
        r"position_embedding is \(9, 32\), not \(5, 32\)",
    ),
    "integers": ("whisper", put(FC1, lambda x: x.astype(np.int32)), f"{FC1} is int32"),
    "not a number": ("whisper", put(FC1, nan), f"{FC1} holds infinite or undefined numbers"),
    "positions": (
        "whisper",
        put("encoder.embed_positions.weight", lambda x: x + 0.01),
        "embed_positions.weight is not Whisper's sinusoids",
    ),
    "heads": ("clip", state(num_attention_heads=5), "width must be a multiple of heads"),
    "no number of heads": ("clip", state(num_attention_heads="2"), "heads must be int, not '2'"),
    "activation": ("clip", state(hidden_act="gelu_new"), "activation='gelu_new' is not possible"),
    "whisper's activation": ("whisper", state(activation_function="relu"), "activation is gelu"),
    "epsilon": ("clip", state(layer_norm_eps=1e-6), "epsilon 1e-06; ours is 1e-5"),
    "settings of another model": (
        "clip",
        state(patch_size=16),
        "arrays have patch_size 8, the settings beside them say 16",
    ),
}


@pytest.mark.parametrize(("kind", "spoil", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named(kind, spoil, message, golden, publish):
    model = golden(kind)
    spoil(model)
    with pytest.raises(WeightsError, match=message) as caught:
        convert(open_published(publish(model.weights, model.config)))
    assert "published" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_faults_are_counted(golden, publish):
    weights = {n: a for n, a in golden("clip").weights.items() if ".1." not in n or "fc1" in n}
    with pytest.raises(WeightsError, match=r"missing .*; missing .* and 9 more"):
        convert(open_published(publish(weights)))


def test_another_kind_of_model_is_told_what_is_looked_for(publish):
    other = {"bert.encoder.weight": np.ones((2, 2), np.float32)}
    with pytest.raises(WeightsError, match=r"neither a CLIP vision tower .* nor a Whisper encoder"):
        convert(open_published(publish(other)))


def test_a_tower_without_blocks_is_none(golden, publish):
    weights = {n: a for n, a in golden("clip").weights.items() if "layers" not in n}
    with pytest.raises(WeightsError, match="no block"):
        convert(open_published(publish(weights)))
