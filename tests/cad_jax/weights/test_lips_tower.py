"""AV-HuBERT in each of its publishers' names; what is no tower of ours is refused by name."""

import dataclasses

import numpy as np
import pytest

from cad_jax.settings.model import LipsConfig
from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.lips_tower import LIPS
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import load_tower, write_tower
from cad_jax.weights.towers import tower_model

TOWER = LipsConfig(16, 2, width=16, depth=2, heads=2, position_kernel=8, position_groups=2)
HEADS = {"fairseq": "encoder_attention_heads", "Hugging Face": "num_attention_heads"}
BESIDE = (
    "mask_emb",
    "label_embs_concat",
    "final_proj.weight",
    "feature_extractor_audio.proj.bias",
    "feature_extractor_video.resnet.trunk.layer1.0.bn1.num_batches_tracked",
)
DECODERS = {
    "encoder.w2v_model.": ("decoder.layers.0.fc1.weight",),
    "model.encoder.": ("model.decoder.layers.0.fc1.weight", "lm_head.weight"),
}


@pytest.mark.parametrize("layout", LIPS.layouts, ids=lambda layout: layout.positions)
def test_every_layouts_names_there_and_back(layout, converted, publish):
    expected = converted("lips")
    theirs = layout.export(expected.params)
    prefix = layout.positions.partition("encoder.pos_conv")[0]
    others = [*(prefix + name for name in BESIDE), *DECODERS.get(prefix, ())]
    beside = {name: np.zeros(2, np.float32) for name in others}
    weights = convert(open_published(publish(theirs | beside, {HEADS[layout.publisher]: 2})))
    # The published weights do not say what size of image they were trained on.
    assert dataclasses.replace(weights.config, image_size=16) == TOWER
    assert weights.params.keys() == expected.params.keys()
    for name, array in expected.params.items():
        np.testing.assert_array_equal(weights.params[name], array, err_msg=name)
    for name, array in layout.export(weights.params).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_a_tower_of_another_picture_size_takes_the_weights(converted, tmp_path):
    weights = converted("lips")
    write_tower(weights, (), tmp_path / "tower")
    config = dataclasses.replace(weights.config, image_size=40)
    params = load_tower(tmp_path / "tower", config, tower_model(config).shapes)
    assert params.keys() == weights.params.keys()


def test_a_fine_tuned_model_states_its_encoder_apart(golden, publish):
    stated = {"encoder_layers": 6, "w2v_args": {"model": {"encoder_attention_heads": 4}}}
    assert convert(open_published(publish(golden("lips").weights, stated))).config.heads == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_norm_first": False}, "layer_norm_first=False is no tower of ours; only True"),
        ({"modality_fuse": "add"}, "modality_fuse='add' is no tower"),
        ({"encoder_layers": 12}, "arrays have depth 2, the settings beside them say 12"),
    ],
)
def test_other_settings_are_refused(settings, message, golden, publish):
    with pytest.raises(WeightsError, match=message):
        convert(open_published(publish(golden("lips").weights, settings)))


def test_what_is_missing_left_over_or_broken_is_refused(golden, publish):
    weights = golden("lips").weights
    bn = "feature_extractor_video.resnet.trunk.layer3.0.downsample.1"
    whole = dict(weights)
    del weights[f"{bn}.running_var"]
    weights["encoder.quantizer.vars"] = np.zeros(2, np.float32)
    with pytest.raises(WeightsError, match=rf"missing {bn}.running_var.*unknown encoder.quantizer"):
        convert(open_published(publish(weights)))
    broken = whole | {"encoder.pos_conv.0.weight_v": np.zeros((16, 8, 8), np.float32)}
    with pytest.raises(WeightsError, match="weight_v cannot be divided by its norm"):
        convert(open_published(publish(broken)))
    wrong = whole | {f"{bn}.running_var": np.ones(3, np.float32)}
    with pytest.raises(WeightsError, match=f"{bn}.weight has shape"):
        convert(open_published(publish(wrong)))
