"""Our Whisper encoder against transformers' on published weights and real sound.

The weights are a CTranslate2 model's, whose names are mapped to transformers' here, apart from
`layouts`: a mistake there would not repeat itself. Needs the extra `[parity]`.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cad_jax.lab.parity import (
    Outputs,
    reference_libraries,
    tower_outputs,
    whisper_settings,
)
from cad_jax.models.log_mel import HOP, log_mel
from cad_jax.models.whisper import sinusoids
from cad_jax.settings.model import WhisperConfig
from cad_jax.weights.convert import convert
from cad_jax.weights.ctranslate2_files import read_ctranslate2
from cad_jax.weights.published import PublishedWeights
from cad_jax.weights.store import write_tower
from data_pipelines.records.clip import SAMPLE_RATE


@dataclasses.dataclass(frozen=True)
class RealParity:
    """Largest absolute differences on real weights and real sound.

    Published encoders reach activations of several hundred inside, so that rounding in float32
    shows in the outputs: the reference's own says how much of a difference that explains.

    Attributes:
        features: of the log-mel spectrograms, ours and transformers'.
        encoder: of our output from the reference's in float64, both of our spectrogram.
        reference: of the reference's output in float32 from that.
        positions: of the reference's output with the positions as they are in the file.
        largest: the largest absolute output.
    """

    features: float
    encoder: float
    reference: float
    positions: float
    largest: float


def measure_real_whisper(model_bin: pathlib.Path, waveform: Float[np.ndarray, " s"]) -> RealParity:
    """Compares our encoder with transformers' on the weights of a CTranslate2 model.

    Args:
        model_bin: the file.
        waveform: 16 kHz in [-1, 1], at most 30 s.

    Raises:
        WeightsError: unreadable weights, or the extra `[parity]` is not installed.
        ValueError: more than 30 s of sound.
    """
    torch, transformers = reference_libraries()
    published = read_ctranslate2(model_bin)
    weights = convert(published)
    config = weights.config
    assert isinstance(config, WhisperConfig)  # such files hold nothing else

    samples = np.pad(waveform.astype(np.float32), (0, -len(waveform) % HOP))[None]
    mel = np.array(log_mel(jnp.asarray(samples), config.mels, pad_to_30s=True))
    extract = transformers.WhisperFeatureExtractor(feature_size=config.mels)
    theirs = extract(samples[0], sampling_rate=SAMPLE_RATE, return_tensors="np").input_features

    state = _transformers_names(published, config.depth)
    # Half a float16 step in the positions changes outputs far more than all rounding after it:
    # the model was trained with the exact ones, which are what our tower computes.
    exact = state | {"embed_positions.weight": sinusoids(config.max_tokens, config.width)}

    def encode(state: Outputs, dtype: Any) -> np.ndarray:
        reference = _whisper_encoder(config).to(dtype)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in state.items()}
        reference.load_state_dict(tensors, strict=True)
        with torch.inference_mode():
            output = reference(torch.from_numpy(mel).to(dtype)).last_hidden_state
        return output.double().numpy()

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary, "converted")
        write_tower(weights, (), folder)
        ours = tower_outputs(folder, config, mel)["tokens"]
    truth = encode(exact, torch.float64)
    return RealParity(
        features=float(np.abs(mel - theirs).max()),
        encoder=float(np.abs(ours - truth).max()),
        reference=float(np.abs(encode(exact, torch.float32) - truth).max()),
        positions=float(np.abs(encode(state, torch.float64) - truth).max()),
        largest=float(np.abs(truth).max()),
    )


def _whisper_encoder(config: WhisperConfig) -> Any:
    from transformers.models.whisper.modeling_whisper import (  # type: ignore[import-not-found]
        WhisperEncoder,
    )

    return WhisperEncoder(whisper_settings(config)).eval()


def _transformers_names(published: PublishedWeights, depth: int) -> Outputs:
    """CTranslate2's encoder variables as transformers' state dict, float32."""
    read = {
        name.removeprefix("encoder/"): np.asarray(array(), np.float32)
        for name, array in published.tensors.items()
        if name.startswith("encoder/")
    }
    state = {
        "embed_positions.weight": read["position_encodings/encodings"],
        "layer_norm.weight": read["layer_norm/gamma"],
        "layer_norm.bias": read["layer_norm/beta"],
    }
    for kind in ("weight", "bias"):
        for conv in ("conv1", "conv2"):
            state[f"{conv}.{kind}"] = read[f"{conv}/{kind}"]
        for n in range(depth):
            theirs, ours = f"layer_{n}", f"layers.{n}"
            parts = np.split(read[f"{theirs}/self_attention/linear_0/{kind}"], 3)
            for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
                if (name, kind) != ("k_proj", "bias"):
                    state[f"{ours}.self_attn.{name}.{kind}"] = part
            out = read[f"{theirs}/self_attention/linear_1/{kind}"]
            state[f"{ours}.self_attn.out_proj.{kind}"] = out
            state[f"{ours}.fc1.{kind}"] = read[f"{theirs}/ffn/linear_0/{kind}"]
            state[f"{ours}.fc2.{kind}"] = read[f"{theirs}/ffn/linear_1/{kind}"]
            norm = "gamma" if kind == "weight" else "beta"
            first = read[f"{theirs}/self_attention/layer_norm/{norm}"]
            state[f"{ours}.self_attn_layer_norm.{kind}"] = first
            state[f"{ours}.final_layer_norm.{kind}"] = read[f"{theirs}/ffn/layer_norm/{norm}"]
    return state
