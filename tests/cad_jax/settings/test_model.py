import dataclasses

import pytest
from flax import nnx

from cad_jax.models.lips import LipsTower
from cad_jax.models.vit import ViT
from cad_jax.models.whisper import WhisperEncoder
from cad_jax.settings.model import (
    LIPS_PRESETS,
    VIT_PRESETS,
    WHISPER_PRESETS,
    CADConfig,
    LipsConfig,
    LoRAConfig,
    ViTConfig,
    WhisperConfig,
)
from cad_jax.settings.structure import ConfigError, structure, unstructure

# Published sizes of the towers alone: CLIP's without its text side and projection, Whisper's
# encoder without its fixed positions, AV-HuBERT without its sound side, masks, labels and the 128
# lengths of its positions' weight norm (its paper: 103 and 325 million).
PARAMETERS = {
    "clip_vit_b_32": 87_456_000,
    "clip_vit_b_16": 85_799_424,
    "clip_vit_l_14": 303_179_776,
    "whisper_tiny": 7_632_384,
    "whisper_base": 19_822_592,
    "whisper_small": 87_002_112,
    "whisper_medium": 305_680_384,
    "whisper_large_v3": 635_048_960,
    "avhubert_base": 102_539_520,
    "avhubert_large": 324_515_328,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_presets_have_the_published_sizes(name):
    presets = {ViT: VIT_PRESETS, WhisperEncoder: WHISPER_PRESETS, LipsTower: LIPS_PRESETS}
    tower, config = next((t, known[name]) for t, known in presets.items() if name in known)
    state = nnx.state(nnx.eval_shape(lambda: tower(config, rngs=nnx.Rngs(0))))
    sizes = [leaf.get_value().size for _, leaf in nnx.to_flat_state(state)]
    assert sum(sizes) == PARAMETERS[name]


def test_every_preset_is_counted():
    assert set(PARAMETERS) == set(VIT_PRESETS) | set(WHISPER_PRESETS) | set(LIPS_PRESETS)


def test_a_configuration_survives_plain_data():
    config = CADConfig(
        specific_towers=("video",),
        specific_video=ViTConfig(residual=True),
        lora=LoRAConfig(targets=("up",)),
    )
    assert structure(CADConfig, unstructure(config)) == config


def test_a_wrong_key_or_word_names_the_nearest():
    with pytest.raises(ConfigError, match=r"config.video.widht .*width"):
        structure(CADConfig, {"video": {"widht": 3}})
    with pytest.raises(ConfigError, match="transformer"):
        structure(CADConfig, {"fusion": "transfomer"})
    with pytest.raises(ConfigError, match="value"):
        structure(CADConfig, {"lora": {"targets": ("valeu",)}})


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (ViTConfig(), {"heads": 7}, "multiple of heads"),
        (ViTConfig(), {"image_size": 100}, "image_size"),
        (ViTConfig(), {"width": 0}, "width must be 1 to 100000"),
        (ViTConfig(), {"stem": "conv", "patch_size": 14}, "4, 8, 16"),
        (ViTConfig(), {"stem": "conv", "patch_size": 2}, "4, 8, 16"),
        (WhisperConfig(), {"width": 66, "heads": 6}, "multiple of 4"),
        (LipsConfig(), {"position_groups": 7}, "multiple of position_groups"),
        (LoRAConfig(), {"rank": -1}, "rank"),
        (CADConfig(), {"align_tower": "lips"}, "needs 'video' in specific_towers"),
        (CADConfig(), {"temporal_kernel": 4}, "odd"),
        (CADConfig(video=ViTConfig(image_size=336)), {"texture_statistics": True}, "of 32"),
        (ViTConfig(), {"depth": 10**6}, "depth must be 0 to 200"),
        (CADConfig(), {"fusion_depth": -1}, "fusion_depth must be 0 to 200"),
    ],
)
def test_impossible_values_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(config, **change)
