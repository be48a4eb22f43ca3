"""CLIP's vision tower (Radford et al. 2021, arXiv 2103.00020) as it is published."""

import math
import re
from typing import Any

from cad_jax.models.vit import ViT
from cad_jax.settings.model import VIT_PRESETS, ViTConfig
from cad_jax.weights.layouts import (
    AS_IT_IS,
    PATCHES,
    Layout,
    Origin,
    blocks,
    joint,
    norm,
    translated,
)
from cad_jax.weights.positions import resize_positions
from cad_jax.weights.published import PublishedWeights, WeightsError
from cad_jax.weights.tower_kind import TowerKind

_HUGGING_FACE = {
    "image_size": "image_size",
    "patch_size": "patch_size",
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "hidden_act": "activation",
}
_OPEN_CLIP = {
    "image_size": "image_size",
    "patch_size": "patch_size",
    "width": "width",
    "layers": "depth",
    "mlp_ratio": "mlp_ratio",
}
# Settings of open_clip's that are a tower of ours at this value alone, or whatever they are.
_OPEN_CLIP_FIXED = {"pool_type": "tok", "pos_embed_type": "learnable"}
_OPEN_CLIP_FREE = {"head_width", "patch_dropout", "output_tokens", "final_ln_after_pool"}


def _sizes(published: PublishedWeights, layout: Layout) -> dict[str, int]:
    rows, width = layout.shape(published, "stem/embedding/kernel", 2)
    patch = math.isqrt(rows // 3)
    tokens = layout.shape(published, "position_embedding", 2)[0]
    return {
        "width": width,
        "patch_size": patch,
        "image_size": math.isqrt(max(tokens - 1, 0)) * patch,
        "mlp_ratio": layout.shape(published, "blocks/{n}/mlp/up/kernel", 2)[1] // max(width, 1),
    }


def _stated_by_hugging_face(published: PublishedWeights) -> dict[str, Any]:
    settings = published.settings
    vision = settings.get("vision_config")  # of a model with both towers
    settings = vision if isinstance(vision, dict) else settings
    if (epsilon := settings.get("layer_norm_eps", 1e-5)) != 1e-5:
        raise WeightsError(f"{published.path}: layer norms of epsilon {epsilon}; ours is 1e-5")
    return translated(settings, _HUGGING_FACE)


def _stated_by_open_clip(published: PublishedWeights) -> dict[str, Any]:
    """As open_clip builds it: what is not stated is its own default."""
    if "open_clip" not in published.settings:
        return {}
    model = published.settings["open_clip"].get("model_cfg")
    vision = model.get("vision_cfg") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vision, dict):
        raise WeightsError(f"{published.path}: open_clip_config.json beside it has no vision_cfg")
    for name, value in vision.items():
        known = name in _OPEN_CLIP or name in _OPEN_CLIP_FREE
        if not known and value and value != _OPEN_CLIP_FIXED.get(name):
            raise WeightsError(
                f"{published.path}: open_clip's {name}={value!r} is no tower of ours"
            )
    width, head = vision.get("width", 768), vision.get("head_width", 64)
    if not (type(width) is type(head) is int and 0 < head <= width and width % head == 0):
        raise WeightsError(
            f"{published.path}: open_clip's heads of {head!r} in a width of {width!r}"
        )
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    return translated(vision, _OPEN_CLIP) | {"heads": width // head, "activation": activation}


def _hugging_face_clip(prefix: str) -> Layout:
    names = {
        "attention_norm": "layer_norm1.",
        "attention/query": "self_attn.q_proj.",
        "attention/key": "self_attn.k_proj.",
        "attention/value": "self_attn.v_proj.",
        "attention/out": "self_attn.out_proj.",
        "mlp_norm": "layer_norm2.",
        "mlp/up": "mlp.fc1.",
        "mlp/down": "mlp.fc2.",
    }
    positions = f"{prefix}embeddings.position_embedding.weight"
    parameters = {
        "class_embedding": Origin.of(f"{prefix}embeddings.class_embedding", AS_IT_IS),
        "position_embedding": Origin.of(positions, AS_IT_IS),
        "stem/embedding/kernel": Origin.of(f"{prefix}embeddings.patch_embedding.weight", PATCHES),
        **dict(norm("ln_pre", f"{prefix}pre_layrnorm.")),  # sic
        **dict(blocks(f"{prefix}encoder.layers.{{n}}.", names, key_bias=True)),
        **dict(norm("ln_post", f"{prefix}post_layernorm.")),
    }
    buffers = rf"{re.escape(prefix)}embeddings\.position_ids"
    others = (r"text_model\..*", r"(text|visual)_projection\.weight", "logit_scale", buffers)

    def stated(published: PublishedWeights) -> dict[str, Any]:
        return _stated_by_open_clip(published) | _stated_by_hugging_face(published)

    return Layout("Hugging Face", parameters, positions, others, stated)


def _openai_clip() -> Layout:
    block = "visual.transformer.resblocks.{n}."
    names = {
        "attention_norm": "ln_1.",
        "attention/out": "attn.out_proj.",
        "mlp_norm": "ln_2.",
        "mlp/up": "mlp.c_fc.",
        "mlp/down": "mlp.c_proj.",
    }
    positions = "visual.positional_embedding"
    parameters = {
        "class_embedding": Origin.of("visual.class_embedding", AS_IT_IS),
        "position_embedding": Origin.of(positions, AS_IT_IS),
        "stem/embedding/kernel": Origin.of("visual.conv1.weight", PATCHES),
        **dict(norm("ln_pre", "visual.ln_pre.")),
        **dict(joint(f"{block}attn.in_proj_weight", f"{block}attn.in_proj_bias")),
        **dict(blocks(block, names, key_bias=True)),
        **dict(norm("ln_post", "visual.ln_post.")),
    }
    others = (
        r"transformer\..*",
        r"text\..*",
        r"token_embedding\.weight",
        r"ln_final\..*",
        r"(visual\.proj|positional_embedding|text_projection|logit_scale|logit_bias)",
        r"(input_resolution|context_length|vocab_size)",
    )

    def stated(published: PublishedWeights) -> dict[str, Any]:
        return _stated_by_hugging_face(published) | _stated_by_open_clip(published)

    return Layout("OpenAI", parameters, positions, others, stated)


CLIP = TowerKind(
    name="clip",
    title="a CLIP vision tower (ViT)",
    config=ViTConfig,
    build=lambda config, dtype, rngs: ViT(config, dtype=dtype, rngs=rngs),
    # Longer prefixes are other layouts: a model with both towers, the tower saved alone.
    layouts=(_hugging_face_clip("vision_model."), _hugging_face_clip(""), _openai_clip()),
    sizes=_sizes,
    presets=VIT_PRESETS,
    published={
        "clip_vit_b_32": "openai/clip-vit-base-patch32",
        "clip_vit_b_16": "openai/clip-vit-base-patch16",
        "clip_vit_l_14": "openai/clip-vit-large-patch14",
    },
    free=("image_size",),
    resize={"position_embedding": resize_positions},
)
