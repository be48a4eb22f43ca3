"""Whisper's encoder (Radford et al. 2022, arXiv 2212.04356) as it is published."""

from typing import Any

import ml_dtypes
import numpy as np

from cad_jax.models.whisper import WhisperEncoder, sinusoids
from cad_jax.settings.model import WHISPER_PRESETS, WhisperConfig
from cad_jax.weights.layouts import (
    Layout,
    Origin,
    blocks,
    joint,
    linear,
    norm,
    translated,
)
from cad_jax.weights.published import DTYPES, PublishedWeights, WeightsError
from cad_jax.weights.tower_kind import TowerKind

_HUGGING_FACE = {
    "num_mel_bins": "mels",
    "d_model": "width",
    "encoder_layers": "depth",
    "encoder_attention_heads": "heads",
    "max_source_positions": "max_tokens",
}
_OPENAI = {
    "n_mels": "mels",
    "n_audio_state": "width",
    "n_audio_layer": "depth",
    "n_audio_head": "heads",
    "n_audio_ctx": "max_tokens",
}
_SINUSOID_ERROR = 5e-4  # of angles up to 1500 rad in float32, as the publishers computed them


def _sizes(published: PublishedWeights, layout: Layout) -> dict[str, int]:
    _, mels, width = layout.shape(published, "stem/conv1/kernel", 3)
    return {
        "width": width,
        "mels": mels,
        "max_tokens": len(np.atleast_1d(published.tensors[layout.positions]())),
        "mlp_ratio": layout.shape(published, "blocks/{n}/mlp/up/kernel", 2)[1] // max(width, 1),
    }


def _stated_by_hugging_face(published: PublishedWeights) -> dict[str, Any]:
    if published.settings.get("activation_function", "gelu") != "gelu":
        raise WeightsError(f"{published.path}: a Whisper encoder's activation is gelu")
    return translated(published.settings, _HUGGING_FACE)


def _stated_by_openai(published: PublishedWeights) -> dict[str, Any]:
    return translated(published.settings, _OPENAI)


def _stated_by_ctranslate2(published: PublishedWeights) -> dict[str, Any]:
    heads = published.tensors.get("encoder/num_heads")
    return {} if heads is None else {"heads": int(np.ravel(heads())[0])}


def _position_fault(positions: np.ndarray, config: WhisperConfig) -> str:
    """Whisper's positions are computed; what the file has must be the same."""
    shape = positions.shape
    if positions.dtype not in DTYPES or len(shape) != 2 or shape[1] != config.width:
        return f"is {positions.dtype} of shape {shape}"
    tolerance = _SINUSOID_ERROR + float(ml_dtypes.finfo(positions.dtype).eps)
    error = np.abs(positions.astype(np.float32) - sinusoids(*shape)).max(initial=0)
    return "" if error <= tolerance else "is not Whisper's sinusoids"


def _whisper_stem(prefix: str) -> dict[str, Origin]:
    return dict(linear("stem/conv1", f"{prefix}conv1.")) | dict(
        linear("stem/conv2", f"{prefix}conv2.")
    )


def _hugging_face_whisper(prefix: str) -> Layout:
    names = {
        "attention_norm": "self_attn_layer_norm.",
        "attention/query": "self_attn.q_proj.",
        "attention/key": "self_attn.k_proj.",
        "attention/value": "self_attn.v_proj.",
        "attention/out": "self_attn.out_proj.",
        "mlp_norm": "final_layer_norm.",
        "mlp/up": "fc1.",
        "mlp/down": "fc2.",
    }
    parameters = {
        **_whisper_stem(prefix),
        **dict(blocks(f"{prefix}layers.{{n}}.", names, key_bias=False)),
        **dict(norm("ln_post", f"{prefix}layer_norm.")),
    }
    others = (r"(model\.)?decoder\..*", r"proj_out\.weight")
    positions = f"{prefix}embed_positions.weight"
    return Layout("Hugging Face", parameters, positions, others, _stated_by_hugging_face)


def _openai_whisper() -> Layout:
    names = {
        "attention_norm": "attn_ln.",
        "attention/query": "attn.query.",
        "attention/key": "attn.key.",
        "attention/value": "attn.value.",
        "attention/out": "attn.out.",
        "mlp_norm": "mlp_ln.",
        "mlp/up": "mlp.0.",
        "mlp/down": "mlp.2.",
    }
    parameters = {
        **_whisper_stem("encoder."),
        **dict(blocks("encoder.blocks.{n}.", names, key_bias=False)),
        **dict(norm("ln_post", "encoder.ln_post.")),
    }
    positions = "encoder.positional_embedding"
    return Layout("OpenAI", parameters, positions, (r"decoder\..*",), _stated_by_openai)


def _ctranslate2_whisper() -> Layout:
    block, names = "encoder/layer_{n}/", ("gamma", "beta")
    qkv = f"{block}self_attention/linear_0/"
    parameters = {
        **dict(linear("stem/conv1", "encoder/conv1/")),
        **dict(linear("stem/conv2", "encoder/conv2/")),
        **dict(norm("blocks/{n}/attention_norm", f"{block}self_attention/layer_norm/", names)),
        **dict(joint(f"{qkv}weight", f"{qkv}bias")),
        **dict(linear("blocks/{n}/attention/out", f"{block}self_attention/linear_1/")),
        **dict(norm("blocks/{n}/mlp_norm", f"{block}ffn/layer_norm/", names)),
        **dict(linear("blocks/{n}/mlp/up", f"{block}ffn/linear_0/")),
        **dict(linear("blocks/{n}/mlp/down", f"{block}ffn/linear_1/")),
        **dict(norm("ln_post", "encoder/layer_norm/", names)),
    }
    others = (r"decoder/.*", "encoder/num_heads")
    positions = "encoder/position_encodings/encodings"
    return Layout("CTranslate2", parameters, positions, others, _stated_by_ctranslate2)


WHISPER = TowerKind(
    name="whisper",
    title="a Whisper encoder",
    config=WhisperConfig,
    build=lambda config, dtype, rngs: WhisperEncoder(config, dtype=dtype, rngs=rngs),
    # Longer prefixes are other layouts: a model with a head, the model, the encoder saved alone.
    layouts=(
        _hugging_face_whisper("model.encoder."),
        _hugging_face_whisper("encoder."),
        _hugging_face_whisper(""),
        _openai_whisper(),
        _ctranslate2_whisper(),
    ),
    sizes=_sizes,
    presets=WHISPER_PRESETS,
    published={
        "whisper_tiny": "openai/whisper-tiny",
        "whisper_base": "openai/whisper-base",
        "whisper_small": "openai/whisper-small",
        "whisper_medium": "openai/whisper-medium",
        "whisper_large_v3": "openai/whisper-large-v3",
    },
    free=("max_tokens",),  # its positions are computed, as many as are needed
    position_fault=_position_fault,
)
