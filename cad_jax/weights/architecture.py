"""Which tower some published weights belong to: from the arrays' shapes, and what files state.

Shapes tell everything but the heads and the activation. Where no file states these, they are what
OpenAI published: 64 channels a head, and CLIP's quick GELU.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cad_jax.config import ConfigError, structure
from cad_jax.models.config import (
    VIT_PRESETS,
    WHISPER_PRESETS,
    Dtype,
    ViTConfig,
    WhisperConfig,
)
from cad_jax.models.functional import FunctionalModel
from cad_jax.models.lora import Precision
from cad_jax.models.vit import ViT
from cad_jax.models.whisper import WhisperEncoder
from cad_jax.weights.layouts import Layout
from cad_jax.weights.published import PublishedWeights, WeightsError

Tower = ViTConfig | WhisperConfig

_HEAD_WIDTH = 64

# Hugging Face's names of the folders (config.json, model.safetensors) that our presets come from.
PUBLISHED = {
    "clip_vit_b_32": "openai/clip-vit-base-patch32",
    "clip_vit_b_16": "openai/clip-vit-base-patch16",
    "clip_vit_l_14": "openai/clip-vit-large-patch14",
    "whisper_tiny": "openai/whisper-tiny",
    "whisper_base": "openai/whisper-base",
    "whisper_small": "openai/whisper-small",
    "whisper_medium": "openai/whisper-medium",
    "whisper_large_v3": "openai/whisper-large-v3",
}

# What `config.json` and OpenAI's `dims` call our settings.
_HUGGING_FACE_CLIP = {
    "image_size": "image_size",
    "patch_size": "patch_size",
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "hidden_act": "activation",
}
_HUGGING_FACE_WHISPER = {
    "num_mel_bins": "mels",
    "d_model": "width",
    "encoder_layers": "depth",
    "encoder_attention_heads": "heads",
    "max_source_positions": "max_tokens",
    "activation_function": "activation",
}
_OPENAI_WHISPER = {
    "n_mels": "mels",
    "n_audio_state": "width",
    "n_audio_layer": "depth",
    "n_audio_head": "heads",
    "n_audio_ctx": "max_tokens",
}


def infer_architecture(published: PublishedWeights, layout: Layout, depth: int) -> Tower:
    """The tower's configuration.

    Raises:
        WeightsError: shapes and stated settings contradict each other or fit no tower of ours.
    """
    stated = _stated(published, layout)
    seen = {"depth": depth} | (_clip if layout.kind == "clip" else _whisper)(published, layout)
    for name, value in seen.items():
        if stated.get(name, value) != value:
            raise WeightsError(
                f"{published.path}: the arrays have {name} {value}, the settings beside them "
                f"say {stated[name]!r}; the files do not belong together"
            )
    if layout.kind == "whisper" and stated.pop("activation", "gelu") != "gelu":
        raise WeightsError(f"{published.path}: a Whisper encoder's activation is gelu")
    settings = {"heads": max(seen["width"] // _HEAD_WIDTH, 1)} | stated | seen
    try:
        return structure(ViTConfig if layout.kind == "clip" else WhisperConfig, settings, "tower")
    except ConfigError as error:
        raise WeightsError(f"{published.path} is no tower of ours: {error}") from None


def preset_name(tower: Tower) -> str | None:
    """Our name of this tower where it is a published one."""
    presets = VIT_PRESETS | WHISPER_PRESETS
    return next((name for name, preset in presets.items() if preset == tower), None)


def published_name(tower: Tower) -> str:
    """What to look for to get this tower's weights."""
    name = preset_name(tower)
    return PUBLISHED[name] if name else "weights of this architecture"


def tower_model(config: Tower, dtype: Dtype = "float32") -> FunctionalModel:
    """The tower on its own, without adapters, stored and multiplied in `dtype`; makes no array."""
    precision = Precision(compute=dtype, storage=dtype)
    if isinstance(config, ViTConfig):
        return FunctionalModel.create(lambda rngs: ViT(config, precision=precision, rngs=rngs))
    return FunctionalModel.create(
        lambda rngs: WhisperEncoder(config, precision=precision, rngs=rngs)
    )


def _clip(published: PublishedWeights, layout: Layout) -> dict[str, int]:
    rows, width = _shape(published, layout, "stem/embedding/kernel", 2)
    patch = math.isqrt(rows // 3)
    tokens = _shape(published, layout, "position_embedding", 2)[0]
    return {
        "width": width,
        "patch_size": patch,
        "image_size": math.isqrt(max(tokens - 1, 0)) * patch,
        "mlp_ratio": _shape(published, layout, "blocks/0/mlp/up/kernel", 2)[1] // max(width, 1),
    }


def _whisper(published: PublishedWeights, layout: Layout) -> dict[str, int]:
    _, mels, width = _shape(published, layout, "stem/conv1/kernel", 3)
    return {
        "width": width,
        "mels": mels,
        "max_tokens": len(np.atleast_1d(published.tensors[layout.positions]())),
        "mlp_ratio": _shape(published, layout, "blocks/0/mlp/up/kernel", 2)[1] // max(width, 1),
    }


def _shape(published: PublishedWeights, layout: Layout, ours: str, rank: int) -> tuple[int, ...]:
    origin = layout.origins(1)[ours]
    array = published.tensors[origin.name]()
    try:
        shape = origin.form.read(array).shape
    except ValueError:
        shape = ()
    if len(shape) != rank:
        raise WeightsError(f"{published.path}: {origin.name} has shape {array.shape}")
    return shape


def _stated(published: PublishedWeights, layout: Layout) -> dict[str, Any]:
    """Our settings as the files state them."""
    if layout.publisher == "CTranslate2":
        heads = published.tensors.get("encoder/num_heads")
        return {} if heads is None else {"heads": int(np.ravel(heads())[0])}
    settings = published.settings
    if layout.publisher == "OpenAI":
        names = _OPENAI_WHISPER
    elif layout.kind == "whisper":
        names = _HUGGING_FACE_WHISPER
    else:
        names = _HUGGING_FACE_CLIP
        vision = settings.get("vision_config")
        settings = vision if isinstance(vision, dict) else settings
        if settings.get("layer_norm_eps", 1e-5) != 1e-5:
            raise WeightsError(
                f"{published.path}: layer norms of epsilon {settings['layer_norm_eps']}; ours is "
                "1e-5"
            )
    return _translated(settings, names)


def _translated(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: settings[theirs] for theirs, ours in names.items() if theirs in settings}
