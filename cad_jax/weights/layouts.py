"""How publishers name and shape the parameters of our towers, both ways.

A table for each publisher: our name -> theirs, and the form of their array. `{n}` is a block's
number. Everything of theirs that is no parameter of ours stands here too, by pattern, so that a
name nobody thought of is noticed. Knows nothing of files or of sizes.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np

Kind = Literal["clip", "whisper"]


@dataclasses.dataclass(frozen=True)
class Form:
    """How their array becomes ours, and back; no way back from a part of theirs."""

    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a parameter of ours comes from: their name, and their array's form."""

    name: str
    form: Form


@dataclasses.dataclass(frozen=True)
class Layout:
    """One publisher's names.

    Attributes:
        publisher: for messages, and to choose what else their files state.
        kind: the tower that it describes.
        parameters: our name -> where it comes from.
        positions: their name of the positions, by which the layout is recognised.
        not_ours: patterns of whole names: other towers, projections, buffers.
    """

    publisher: Literal["Hugging Face", "OpenAI", "CTranslate2"]
    kind: Kind
    parameters: Mapping[str, Origin]
    positions: str
    not_ours: tuple[str, ...]

    def origins(self, depth: int) -> dict[str, Origin]:
        """The table of a tower with this many blocks."""
        table = {}
        for ours, origin in self.parameters.items():
            for n in range(depth) if "{n}" in ours else (0,):
                name = origin.name.replace("{n}", str(n))
                table[ours.replace("{n}", str(n))] = Origin(name, origin.form)
        return table

    def depth(self, names: Iterable[str]) -> int:
        """How many blocks these names belong to."""
        theirs = self.parameters["blocks/{n}/mlp/up/bias"].name
        pattern = re.compile(re.escape(theirs).replace(re.escape("{n}"), r"(\d+)"))
        return len({found[1] for name in names if (found := pattern.fullmatch(name))})

    def unknown(self, names: Iterable[str], depth: int) -> list[str]:
        """Names that are neither a parameter of ours nor known not to be."""
        known = {origin.name for origin in self.origins(depth).values()} | {self.positions}
        not_ours = re.compile("|".join(self.not_ours))
        return [name for name in names if name not in known and not not_ours.fullmatch(name)]

    def export(self, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Our parameters under their names: the inverse of reading.

        Raises:
            ValueError: this layout joins parameters of ours into one array.
        """
        depth = len({name.split("/")[1] for name in params if name.startswith("blocks/")})
        exported = {}
        for ours, origin in self.origins(depth).items():
            if origin.form.write is None:
                raise ValueError(f"cannot export to {self.publisher}'s {self.kind} layout")
            exported[origin.name] = origin.form.write(np.asarray(params[ours]))
        return exported


def _unchanged(x: np.ndarray) -> np.ndarray:
    return x


def _reversed_axes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.T)


def _from_patches(x: np.ndarray) -> np.ndarray:
    """[d 3 p p] to one row for every row, column and channel of a patch."""
    return np.ascontiguousarray(x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0]))


def _to_patches(x: np.ndarray) -> np.ndarray:
    side = math.isqrt(x.shape[0] // 3)
    return np.ascontiguousarray(x.reshape(side, side, 3, -1).transpose(3, 2, 0, 1))


def _third(index: int) -> Form:
    """Query, key or value of a joint array, [3d d] or [3d]."""
    return Form(lambda x: np.ascontiguousarray(np.split(x, 3)[index].T))


AS_IT_IS = Form(_unchanged, _unchanged)
REVERSED = Form(_reversed_axes, _reversed_axes)  # [out in] and [out in k]: ours the other way
PATCHES = Form(_from_patches, _to_patches)

Table = Iterator[tuple[str, Origin]]


def _norm(ours: str, theirs: str, names: tuple[str, str] = ("weight", "bias")) -> Table:
    yield f"{ours}/scale", Origin(theirs + names[0], AS_IT_IS)
    yield f"{ours}/bias", Origin(theirs + names[1], AS_IT_IS)


def _linear(ours: str, theirs: str, bias: bool = True) -> Table:
    """Also of a convolution over time."""
    yield f"{ours}/kernel", Origin(f"{theirs}weight", REVERSED)
    if bias:
        yield f"{ours}/bias", Origin(f"{theirs}bias", AS_IT_IS)


def _joint(theirs_weight: str, theirs_bias: str) -> Table:
    """Query, key and value in one array; a tower whose keys have no bias has zeros there."""
    for index, part in enumerate(("query", "key", "value")):
        yield f"blocks/{{n}}/attention/{part}/kernel", Origin(theirs_weight, _third(index))
        yield f"blocks/{{n}}/attention/{part}/bias", Origin(theirs_bias, _third(index))


def _blocks(theirs: str, names: Mapping[str, str], *, key_bias: bool) -> Table:
    for ours, name in names.items():
        ours, name = f"blocks/{{n}}/{ours}", theirs + name
        if ours.endswith("norm"):
            yield from _norm(ours, name)
        else:
            yield from _linear(ours, name, bias=key_bias or not ours.endswith("key"))


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
        "class_embedding": Origin(f"{prefix}embeddings.class_embedding", AS_IT_IS),
        "position_embedding": Origin(positions, AS_IT_IS),
        "stem/embedding/kernel": Origin(f"{prefix}embeddings.patch_embedding.weight", PATCHES),
        **dict(_norm("ln_pre", f"{prefix}pre_layrnorm.")),  # sic
        **dict(_blocks(f"{prefix}encoder.layers.{{n}}.", names, key_bias=True)),
        **dict(_norm("ln_post", f"{prefix}post_layernorm.")),
    }
    buffers = rf"{re.escape(prefix)}embeddings\.position_ids"
    others = (r"text_model\..*", r"(text|visual)_projection\.weight", "logit_scale", buffers)
    return Layout("Hugging Face", "clip", parameters, positions, others)


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
        "class_embedding": Origin("visual.class_embedding", AS_IT_IS),
        "position_embedding": Origin(positions, AS_IT_IS),
        "stem/embedding/kernel": Origin("visual.conv1.weight", PATCHES),
        **dict(_norm("ln_pre", "visual.ln_pre.")),
        **dict(_joint(f"{block}attn.in_proj_weight", f"{block}attn.in_proj_bias")),
        **dict(_blocks(block, names, key_bias=True)),
        **dict(_norm("ln_post", "visual.ln_post.")),
    }
    others = (
        r"transformer\..*",
        r"token_embedding\.weight",
        r"ln_final\..*",
        r"(visual\.proj|positional_embedding|text_projection|logit_scale)",
        r"(input_resolution|context_length|vocab_size)",
    )
    return Layout("OpenAI", "clip", parameters, positions, others)


def _whisper_stem(prefix: str) -> dict[str, Origin]:
    return dict(_linear("stem/conv1", f"{prefix}conv1.")) | dict(
        _linear("stem/conv2", f"{prefix}conv2.")
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
        **dict(_blocks(f"{prefix}layers.{{n}}.", names, key_bias=False)),
        **dict(_norm("ln_post", f"{prefix}layer_norm.")),
    }
    others = (r"(model\.)?decoder\..*", r"proj_out\.weight")
    positions = f"{prefix}embed_positions.weight"
    return Layout("Hugging Face", "whisper", parameters, positions, others)


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
        **dict(_blocks("encoder.blocks.{n}.", names, key_bias=False)),
        **dict(_norm("ln_post", "encoder.ln_post.")),
    }
    positions = "encoder.positional_embedding"
    return Layout("OpenAI", "whisper", parameters, positions, (r"decoder\..*",))


def _ctranslate2_whisper() -> Layout:
    block, norm = "encoder/layer_{n}/", ("gamma", "beta")
    joint = f"{block}self_attention/linear_0/"
    parameters = {
        **dict(_linear("stem/conv1", "encoder/conv1/")),
        **dict(_linear("stem/conv2", "encoder/conv2/")),
        **dict(_norm("blocks/{n}/attention_norm", f"{block}self_attention/layer_norm/", norm)),
        **dict(_joint(f"{joint}weight", f"{joint}bias")),
        **dict(_linear("blocks/{n}/attention/out", f"{block}self_attention/linear_1/")),
        **dict(_norm("blocks/{n}/mlp_norm", f"{block}ffn/layer_norm/", norm)),
        **dict(_linear("blocks/{n}/mlp/up", f"{block}ffn/linear_0/")),
        **dict(_linear("blocks/{n}/mlp/down", f"{block}ffn/linear_1/")),
        **dict(_norm("ln_post", "encoder/layer_norm/", norm)),
    }
    others = (r"decoder/.*", "encoder/num_heads")
    return Layout(
        "CTranslate2", "whisper", parameters, "encoder/position_encodings/encodings", others
    )


# Longer prefixes are other layouts: a model with a head, the model, the tower saved alone.
LAYOUTS = (
    _hugging_face_clip("vision_model."),
    _hugging_face_clip(""),
    _openai_clip(),
    _hugging_face_whisper("model.encoder."),
    _hugging_face_whisper("encoder."),
    _hugging_face_whisper(""),
    _openai_whisper(),
    _ctranslate2_whisper(),
)
