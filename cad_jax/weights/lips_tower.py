"""AV-HuBERT's visual encoder (Shi et al. 2022, arXiv 2201.02184) as it is published.

In fairseq's names (facebookresearch/av_hubert), pretrained alone or with a decoder behind it, and
in transformers' names of the same. Every published configuration norms first
(`layer_norm_first: true`); a tower that norms last is refused. BatchNorm by its running statistics
becomes one scale and shift a channel, the positions' weight norm one kernel.
"""

import re
from typing import Any

import numpy as np

from cad_jax.models.lips import STAGES, LipsTower
from cad_jax.settings.model import LIPS_PRESETS, LipsConfig
from cad_jax.weights.layouts import (
    AS_IT_IS,
    Form,
    Layout,
    Origin,
    Table,
    blocks,
    linear,
    norm,
    one_array,
    translated,
)
from cad_jax.weights.published import PublishedWeights, WeightsError
from cad_jax.weights.tower_kind import TowerKind

_FAIRSEQ = {
    "encoder_embed_dim": "width",
    "encoder_layers": "depth",
    "encoder_attention_heads": "heads",
    "conv_pos": "position_kernel",
    "conv_pos_groups": "position_groups",
}
_HUGGING_FACE = {
    "hidden_size": "width",
    "num_hidden_layers": "depth",
    "num_attention_heads": "heads",
    "num_conv_pos_embeddings": "position_kernel",
    "num_conv_pos_embedding_groups": "position_groups",
}
# Settings that are a tower of ours at this value alone.
_FIXED = {
    "layer_norm_first": True,
    "modality_fuse": "concat",
    "resnet_relu_type": "prelu",
    "sub_encoder_layers": 0,
    "activation_fn": "gelu",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
_EPSILON = 1e-5  # of BatchNorm


def _sizes(published: PublishedWeights, layout: Layout) -> dict[str, int]:
    inputs, width = layout.shape(published, "projection/kernel", 2)
    kernel, group, _ = layout.shape(published, "positions/kernel", 3)
    return {
        "width": width,
        "channels": inputs // STAGES[-1],
        "position_kernel": kernel,
        "position_groups": width // max(group, 1),
        "mlp_ratio": layout.shape(published, "blocks/{n}/mlp/up/kernel", 2)[1] // max(width, 1),
    }


def _checked(published: PublishedWeights, settings: dict[str, Any]) -> dict[str, Any]:
    for name, value in _FIXED.items():
        if settings.get(name, value) != value:
            raise WeightsError(
                f"{published.path}: AV-HuBERT's {name}={settings[name]!r} is no tower of ours; "
                f"only {value!r} is"
            )
    return settings


def _stated_by_fairseq(published: PublishedWeights) -> dict[str, Any]:
    """A fine-tuned model states its encoder's settings in `w2v_args`."""
    settings = published.settings
    inner = settings.get("w2v_args")
    inner = inner.get("model") if isinstance(inner, dict) else None
    settings = _checked(published, inner if isinstance(inner, dict) else dict(settings))
    return translated(settings, _FAIRSEQ)


def _stated_by_hugging_face(published: PublishedWeights) -> dict[str, Any]:
    return translated(_checked(published, dict(published.settings)), _HUGGING_FACE)


def _deviation(variance: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # whoever reads it looks for such numbers
        return np.sqrt(variance.astype(np.float64) + _EPSILON)


def _read_scale(weight: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (weight / _deviation(variance)).astype(np.float32)


def _write_scale(scale: np.ndarray) -> tuple[np.ndarray, ...]:
    variance = np.full(scale.shape, 1 - _EPSILON, np.float32)
    return (scale * _deviation(variance)).astype(np.float32), variance


def _read_shift(
    bias: np.ndarray, mean: np.ndarray, weight: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    return (bias - mean * (weight / _deviation(variance))).astype(np.float32)


def _write_shift(shift: np.ndarray) -> tuple[np.ndarray, ...]:
    return shift, np.zeros_like(shift)


def _channels_last(kernel: np.ndarray) -> np.ndarray:
    """[out in ...] to [... in out]."""
    return np.ascontiguousarray(np.moveaxis(kernel, (1, 0), (-2, -1)))


def _channels_first(kernel: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(kernel, (-2, -1), (1, 0)))


def _frames_last(kernel: np.ndarray) -> np.ndarray:
    """[out 1 frames h w] to [h w frames out]: the frames are channels."""
    out, one, *rest = kernel.shape
    return _channels_last(kernel.reshape(one * out, *rest))


def _frames_second(kernel: np.ndarray) -> np.ndarray:
    return _channels_first(kernel)[:, None]


def _norms(kernel: np.ndarray) -> np.ndarray:
    """Of each frame's part of [out in frames], as torch's `weight_norm(dim=2)`."""
    return np.sqrt(np.sum(kernel.astype(np.float64) ** 2, axis=(0, 1), keepdims=True))


def _read_weight_norm(direction: np.ndarray, length: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):  # whoever reads it looks for such numbers
        return _channels_last((direction * (length / _norms(direction))).astype(np.float32))


def _write_weight_norm(kernel: np.ndarray) -> tuple[np.ndarray, ...]:
    kernel = _channels_first(kernel)
    return kernel, _norms(kernel).astype(np.float32)


_SCALE, _SHIFT = Form(_read_scale, _write_scale), Form(_read_shift, _write_shift)
_CONVOLUTION = one_array(_channels_last, _channels_first)
_FIRST_CONVOLUTION = one_array(_frames_last, _frames_second)
_WEIGHT_NORM = Form(_read_weight_norm, _write_weight_norm)


def _batch_norm(ours: str, theirs: str) -> Table:
    weight, bias, mean, variance = (
        f"{theirs}.{name}" for name in ("weight", "bias", "running_mean", "running_var")
    )
    yield f"{ours}/scale", Origin((weight, variance), _SCALE)
    yield f"{ours}/bias", Origin((bias, mean, weight, variance), _SHIFT)


def _resnet(theirs: str) -> Table:
    """The stem and ResNet-18: four layers of two blocks, of which three begin with a stride."""
    yield "stem/conv/kernel", Origin.of(f"{theirs}frontend3D.0.weight", _FIRST_CONVOLUTION)
    yield from _batch_norm("stem/norm", f"{theirs}frontend3D.1")
    yield "stem/prelu/slope", Origin.of(f"{theirs}frontend3D.2.weight", AS_IT_IS)
    for n in range(len(STAGES)):
        ours, block = f"trunk/{n}", f"{theirs}trunk.layer{n // 2 + 1}.{n % 2}"
        for i in (1, 2):
            yield f"{ours}/conv{i}/kernel", Origin.of(f"{block}.conv{i}.weight", _CONVOLUTION)
            yield from _batch_norm(f"{ours}/norm{i}", f"{block}.bn{i}")
            yield f"{ours}/prelu{i}/slope", Origin.of(f"{block}.relu{i}.weight", AS_IT_IS)
        if n in (2, 4, 6):
            shortcut = f"{block}.downsample.0.weight"
            yield f"{ours}/shortcut/kernel", Origin.of(shortcut, _CONVOLUTION)
            yield from _batch_norm(f"{ours}/shortcut_norm", f"{block}.downsample.1")


def _layout(
    publisher: str,
    prefix: str,
    *,
    positions: tuple[str, str, str],
    names: dict[str, str],
    beside: tuple[str, ...],
) -> Layout:
    """`positions` are their names of the positions' bias, direction and length."""
    bias, direction, length = (f"{prefix}encoder.{name}" for name in positions)
    parameters = {
        **dict(_resnet(f"{prefix}feature_extractor_video.resnet.")),
        **dict(linear("projection", f"{prefix}feature_extractor_video.proj.")),
        **dict(norm("fusion_norm", f"{prefix}layer_norm.")),
        **dict(linear("fusion", f"{prefix}post_extract_proj.")),
        "positions/kernel": Origin((direction, length), _WEIGHT_NORM),
        "positions/bias": Origin.of(bias, AS_IT_IS),
        **dict(blocks(f"{prefix}encoder.layers.{{n}}.", names, key_bias=True)),
        **dict(norm("ln_post", f"{prefix}encoder.layer_norm.")),
    }
    own = (  # the sound's side, masks, labels, heads, and counters of BatchNorm
        r"feature_extractor_audio\..*",
        r"(mask_emb|label_embs_concat)",
        r"(final_proj|target_glu)\..*",
        r"feature_extractor_video\.resnet\..*\.num_batches_tracked",
    )
    others = (*(re.escape(prefix) + name for name in own), *beside)
    stated = _stated_by_fairseq if publisher == "fairseq" else _stated_by_hugging_face
    return Layout(publisher, parameters, length, others, stated)


def _fairseq(prefix: str) -> Layout:
    return _layout(
        "fairseq",
        prefix,
        positions=("pos_conv.0.bias", "pos_conv.0.weight_v", "pos_conv.0.weight_g"),
        names={
            "attention_norm": "self_attn_layer_norm.",
            "attention/query": "self_attn.q_proj.",
            "attention/key": "self_attn.k_proj.",
            "attention/value": "self_attn.v_proj.",
            "attention/out": "self_attn.out_proj.",
            "mlp_norm": "final_layer_norm.",
            "mlp/up": "fc1.",
            "mlp/down": "fc2.",
        },
        beside=(r"decoder\..*",) if prefix else (),
    )


def _hugging_face(prefix: str, direction: str, length: str) -> Layout:
    conv = "pos_conv_embed.conv."
    return _layout(
        "Hugging Face",
        prefix,
        positions=(f"{conv}bias", conv + direction, conv + length),
        names={
            "attention_norm": "layer_norm.",
            "attention/query": "attention.q_proj.",
            "attention/key": "attention.k_proj.",
            "attention/value": "attention.v_proj.",
            "attention/out": "attention.out_proj.",
            "mlp_norm": "final_layer_norm.",
            "mlp/up": "feed_forward.intermediate_dense.",
            "mlp/down": "feed_forward.output_dense.",
        },
        beside=(r"model\.decoder\..*", r"(model\.)?lm_head\.weight") if prefix else (),
    )


LIPS = TowerKind(
    name="lips",
    title="AV-HuBERT's visual encoder",
    config=LipsConfig,
    build=lambda config, dtype, rngs: LipsTower(config, dtype=dtype, rngs=rngs),
    # Longer prefixes are other layouts: a model with a decoder, the encoder alone; of torch's two
    # names of a weight norm either may have been saved.
    layouts=(
        _fairseq("encoder.w2v_model."),
        _fairseq(""),
        *(
            _hugging_face(prefix, *names)
            for prefix in ("model.encoder.", "")
            for names in (
                ("weight_v", "weight_g"),
                ("parametrizations.weight.original1", "parametrizations.weight.original0"),
            )
        ),
    ),
    sizes=_sizes,
    presets=LIPS_PRESETS,
    published={
        "avhubert_base": "AV-HuBERT's base_vox_iter5.pt",
        "avhubert_large": "AV-HuBERT's large_vox_iter5.pt",
    },
    free=("image_size",),
)
