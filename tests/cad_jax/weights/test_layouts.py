"""Every publisher's names lead to the same parameters; names nobody thought of are noticed."""

import json

import numpy as np
import pytest

from cad_jax.settings.model import ViTConfig
from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.published import WeightsError
from cad_jax.weights.towers import TOWER_KINDS

LAYOUTS = [(kind.name, layout) for kind in TOWER_KINDS for layout in kind.layouts]
HUGGING_FACE = [  # lips have a test file of their own
    entry for entry in LAYOUTS if entry[1].publisher == "Hugging Face" and entry[0] != "lips"
]

# Names that stand beside the tower in files as they are published.
OTHERS = {
    "Hugging Face clip": [
        "logit_scale",
        "text_projection.weight",
        "visual_projection.weight",
        "text_model.encoder.layers.0.mlp.fc1.weight",
        "text_model.embeddings.position_ids",
    ],
    "Hugging Face whisper": ["decoder.layers.0.fc1.weight", "proj_out.weight"],
}


def openai_clip(weights):
    """OpenAI's names and joint projections, from Hugging Face's; written apart from layouts.py."""
    state = {
        "visual.class_embedding": weights["embeddings.class_embedding"],
        "visual.positional_embedding": weights["embeddings.position_embedding.weight"],
        "visual.conv1.weight": weights["embeddings.patch_embedding.weight"],
        "visual.proj": np.zeros((32, 8), np.float32),
        "positional_embedding": np.zeros((7, 8), np.float32),
        "transformer.resblocks.0.ln_1.weight": np.zeros(8, np.float32),
        "token_embedding.weight": np.zeros((9, 8), np.float32),
        "ln_final.bias": np.zeros(8, np.float32),
        "text_projection": np.zeros((8, 8), np.float32),
        "logit_scale": np.zeros((), np.float32),
        "input_resolution": np.zeros((), np.int64),
    }
    for kind in ("weight", "bias"):
        state[f"visual.ln_pre.{kind}"] = weights[f"pre_layrnorm.{kind}"]
        state[f"visual.ln_post.{kind}"] = weights[f"post_layernorm.{kind}"]
        for n in (0, 1):
            theirs, ours = f"encoder.layers.{n}", f"visual.transformer.resblocks.{n}"
            state[f"{ours}.attn.in_proj_{kind}"] = np.concatenate(
                [weights[f"{theirs}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
            )
            state[f"{ours}.attn.out_proj.{kind}"] = weights[f"{theirs}.self_attn.out_proj.{kind}"]
            for a, b in {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1",
                         "mlp.c_proj": "mlp.fc2"}.items():  # fmt: skip
                state[f"{ours}.{a}.{kind}"] = weights[f"{theirs}.{b}.{kind}"]
    return state


def openai_whisper(weights):
    renamed = {
        "self_attn.q_proj": "attn.query", "self_attn.k_proj": "attn.key",
        "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out",
        "self_attn_layer_norm": "attn_ln", "final_layer_norm": "mlp_ln", "fc1": "mlp.0",
        "fc2": "mlp.2", "embed_positions.weight": "positional_embedding", ".layers.": ".blocks.",
        "encoder.layer_norm": "encoder.ln_post",
    }  # fmt: skip
    state = {"decoder.token_embedding.weight": np.zeros((4, 4), np.float32)}
    for name, array in weights.items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        state[name] = array
    return state


def assert_same(weights, expected):
    assert set(weights.params) == set(expected.params)
    for name, array in expected.params.items():
        np.testing.assert_array_equal(weights.params[name], array, err_msg=name)


def label(value):
    return value if isinstance(value, str) else f"{value.publisher}-{value.positions}"


@pytest.mark.parametrize(("kind", "layout"), HUGGING_FACE, ids=label)
def test_hugging_faces_names_there_and_back(kind, layout, golden, converted, publish):
    model, expected = golden(kind), converted(kind)
    theirs = layout.export(expected.params)
    if kind == "whisper":
        theirs[layout.positions] = model.weights["encoder.embed_positions.weight"]
    if layout.positions != "embed_positions.weight":
        others = OTHERS[f"Hugging Face {kind}"]
        theirs |= {name: np.zeros(2, np.float32) for name in others}
    weights = convert(open_published(publish(theirs, model.config)))
    assert weights.config == expected.config
    assert_same(weights, expected)
    again = layout.export(weights.params)
    assert set(again) <= set(theirs)
    for name, array in again.items():
        np.testing.assert_array_equal(array, theirs[name])


def test_the_export_has_the_golden_files_names(golden, converted):
    """The table is right the other way round too: byte for byte what transformers saved."""
    for kind, layout in (HUGGING_FACE[1], HUGGING_FACE[3]):
        exported = layout.export(converted(kind).params)
        saved = golden(kind).weights
        for name, array in exported.items():
            np.testing.assert_array_equal(array, saved[name])
        assert set(saved) - set(exported) <= {layout.positions}


@pytest.mark.parametrize(
    ("kind", "rename"),
    [("clip", openai_clip), ("whisper", openai_whisper)],
    ids=["clip", "whisper"],
)
def test_openais_names(kind, rename, golden, converted, publish):
    weights = convert(open_published(publish(rename(golden(kind).weights), name="openai")))
    assert_same(weights, converted(kind))


VISION = {"image_size": 24, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16}


@pytest.fixture
def open_clip(golden, publish):
    """open_clip's folder: `model` and `vision` settings, and Hugging Face's names or OpenAI's."""

    def write(model, vision, rename=openai_clip):
        folder = publish(rename(golden("clip").weights), name="open_clip")
        (folder / "model.safetensors").rename(folder / "open_clip_model.safetensors")
        settings = {"model_cfg": {"embed_dim": 8, "vision_cfg": vision, **model}}
        (folder / "open_clip_config.json").write_text(json.dumps(settings))
        return folder

    return write


@pytest.mark.parametrize("rename", [openai_clip, dict])
@pytest.mark.parametrize(
    ("model", "vision", "heads", "activation"),
    [
        ({"quick_gelu": True}, VISION, 2, "quick_gelu"),
        ({}, VISION | {"patch_dropout": 0.5, "ls_init_value": None}, 2, "gelu"),
        ({"quick_gelu": False}, VISION | {"head_width": 8, "pool_type": "tok"}, 4, "gelu"),
        ({}, VISION | {"head_width": 32, "mlp_ratio": 4.0}, 1, "gelu"),
    ],
)
def test_open_clips_configuration_is_taken_at_its_word(
    open_clip, rename, model, vision, heads, activation
):
    config = convert(open_published(open_clip(model, vision, rename))).config
    assert config == ViTConfig(24, 8, width=32, depth=2, heads=heads, activation=activation)


@pytest.mark.parametrize(
    ("vision", "message"),
    [
        ({"image_size": 32}, "arrays have image_size 24, the settings beside them say 32"),
        ({"patch_size": 16}, "arrays have patch_size 8, the settings beside them say 16"),
        ({"layers": 12}, "arrays have depth 2, the settings beside them say 12"),
        ({"head_width": 12}, "open_clip's heads of 12 in a width of 32"),
        ({"head_width": "16"}, "open_clip's heads of '16' in a width of 32"),
        ({"pool_type": "avg"}, "open_clip's pool_type='avg' is no tower of ours"),
        ({"act_kwargs": {"approximate": "tanh"}}, "act_kwargs=.* is no tower of ours"),
        ({"timm_model_name": "vit_base"}, "timm_model_name='vit_base' is no tower of ours"),
    ],
)
def test_an_open_clip_tower_that_is_not_ours_is_refused(open_clip, vision, message):
    with pytest.raises(WeightsError, match=message):
        convert(open_published(open_clip({}, VISION | vision)))


def test_an_open_clip_configuration_without_a_tower_is_refused(open_clip):
    with pytest.raises(WeightsError, match=r"open_clip_config.json beside it has no vision_cfg"):
        convert(open_published(open_clip({}, None)))


def test_each_layout_believes_its_own_configuration(golden, open_clip, publish):
    """As the folders of LAION hold both, each with its configuration."""
    folder = open_clip({"quick_gelu": True}, VISION)
    (folder / "config.json").write_text(json.dumps(golden("clip").config | {"hidden_act": "gelu"}))
    theirs = convert(open_published(folder / "open_clip_model.safetensors")).config
    assert theirs.activation == "quick_gelu"
    publish(golden("clip").weights, name="open_clip")
    assert convert(open_published(folder)).config.activation == "gelu"


def test_hugging_faces_settings_beside_openais_names(golden, publish):
    model = golden("clip")
    folder = publish(openai_clip(model.weights), model.config | {"hidden_act": "gelu"})
    config = convert(open_published(folder)).config
    assert (config.heads, config.activation) == (2, "gelu")


def test_ctranslate2s_names(ctranslate2_whisper, converted, make_ctranslate2, tmp_path):
    variables = ctranslate2_whisper
    (tmp_path / "model.bin").write_bytes(
        make_ctranslate2(variables, [("decoder/projection/weight", "encoder/num_heads")])
    )
    weights = convert(open_published(tmp_path))
    assert weights.config == converted("whisper").config
    assert_same(weights, converted("whisper"))


def test_a_key_bias_that_the_tower_has_not_is_refused(
    ctranslate2_whisper, make_ctranslate2, tmp_path
):
    variables = ctranslate2_whisper
    variables["encoder/layer_1/self_attention/linear_0/bias"][40] = 0.5
    (tmp_path / "model.bin").write_bytes(make_ctranslate2(variables))
    with pytest.raises(WeightsError, match=r"layer_1/.*/bias has a part for .*attention/key/bias"):
        convert(open_published(tmp_path))


@pytest.mark.parametrize(("kind", "layout"), LAYOUTS, ids=label)
def test_names_nobody_thought_of_are_noticed(kind, layout):
    names = [name for origin in layout.origins(2).values() for name in origin.names]
    names.append(layout.positions)
    assert layout.depth(names) == 2
    assert layout.unknown(names, 2) == []
    strange = [names[0] + "_scale", "encoder.something", "visual.layer1.0.conv1.weight"]
    assert layout.unknown(names + strange, 2) == strange
    assert layout.unknown(names, 1)  # a block more than there should be


def test_a_joint_array_has_no_way_back(converted):
    (layout,) = (layout for _, layout in LAYOUTS if layout.publisher == "CTranslate2")
    with pytest.raises(ValueError, match=r"CTranslate2's layout: encoder/.*weight is several"):
        layout.export(converted("whisper").params)
