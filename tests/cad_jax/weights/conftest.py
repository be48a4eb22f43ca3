"""Small published models, rebuilt from the goldens in every form that is read."""

import dataclasses
import json
import pathlib
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from cad_jax.weights.convert import TowerWeights, convert
from cad_jax.weights.files import open_published

GOLDENS = pathlib.Path(__file__).parent / "goldens"
TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)


@dataclasses.dataclass
class Golden:
    """What make_goldens.py saved."""

    weights: dict[str, np.ndarray]
    config: dict
    inputs: np.ndarray
    outputs: dict[str, np.ndarray]


def read_golden(kind: str) -> Golden:
    with np.load(GOLDENS / f"{kind}.npz") as file:
        values = dict(file)

    def part(name):
        return {
            k.removeprefix(f"{name}/"): v for k, v in values.items() if k.startswith(f"{name}/")
        }

    return Golden(
        part("weights"), json.loads(str(values["config"])), values["inputs"], part("outputs")
    )


@pytest.fixture
def golden():
    """`golden("clip")`, `golden("whisper")`: fresh each time, to be changed."""
    return read_golden


@pytest.fixture
def publish(tmp_path):
    """`publish(weights, config)` -> a folder as Hugging Face has it."""

    def write(weights, config=None, name="published") -> pathlib.Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        save_file(weights, folder / "model.safetensors")
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
        return folder

    return write


@pytest.fixture
def converted(publish):
    """`converted("clip")` -> the golden tower in our names."""

    def make(kind: str) -> TowerWeights:
        model = read_golden(kind)
        return convert(open_published(publish(model.weights, model.config, f"golden-{kind}")))

    return make


def ctranslate2_bytes(variables, aliases=(), *, version=6, specification="WhisperSpec", revision=3):
    """A model.bin, written from the format's description."""

    def string(text):
        data = text.encode() + b"\0"
        return struct.pack("<H", len(data)) + data

    parts = [struct.pack("<I", version), string(specification)]
    parts.append(struct.pack("<II", revision, len(variables)))
    for name, value in variables.items():
        value = np.asarray(value)
        parts += [string(name), struct.pack("<B", value.ndim)]
        parts.append(struct.pack(f"<{value.ndim}I", *value.shape))
        parts.append(struct.pack("<BI", TYPES.index(value.dtype.type), value.nbytes))
        parts.append(value.tobytes())
    parts.append(struct.pack("<I", len(aliases)))
    for alias, name in aliases:
        parts += [string(alias), string(name)]
    return b"".join(parts)


@pytest.fixture
def make_ctranslate2():
    return ctranslate2_bytes


@pytest.fixture
def ctranslate2_whisper():
    """The golden encoder in CTranslate2's names; written apart from layouts.py."""
    weights = read_golden("whisper").weights
    state = {
        "encoder/num_heads": np.int16(2),
        "decoder/activation": np.int8(3),
        "encoder/position_encodings/encodings": weights["encoder.embed_positions.weight"],
        "encoder/layer_norm/gamma": weights["encoder.layer_norm.weight"],
        "encoder/layer_norm/beta": weights["encoder.layer_norm.bias"],
    }
    for kind in ("weight", "bias"):
        for conv in ("conv1", "conv2"):
            state[f"encoder/{conv}/{kind}"] = weights[f"encoder.{conv}.{kind}"]
        for n in (0, 1):
            theirs, ours = f"encoder.layers.{n}", f"encoder/layer_{n}"
            parts = [weights.get(f"{theirs}.self_attn.{p}_proj.{kind}") for p in "qkv"]
            parts = [np.zeros(32, np.float32) if part is None else part for part in parts]
            state[f"{ours}/self_attention/linear_0/{kind}"] = np.concatenate(parts)
            for a, b in {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1",
                         "ffn/linear_1": "fc2"}.items():  # fmt: skip
                state[f"{ours}/{a}/{kind}"] = weights[f"{theirs}.{b}.{kind}"]
            for a, b in {
                "self_attention": "self_attn_layer_norm",
                "ffn": "final_layer_norm",
            }.items():
                name = {"weight": "gamma", "bias": "beta"}[kind]
                state[f"{ours}/{a}/layer_norm/{name}"] = weights[f"{theirs}.{b}.{kind}"]
    return state
