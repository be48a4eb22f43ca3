"""How far our towers are from others' on the same weights, through real files.

Reference models of true shape, of transformers and for lips of ESPnet, get random weights, are
saved as their publishers save them, converted and loaded. Needs the extra `[parity]`, for lips what
`avhubert_reference` says; all of it is imported only where a reference is made.
"""

import dataclasses
import pathlib
import tempfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cad_jax.lab.avhubert_reference import avhubert_outputs, make_avhubert, save_avhubert
from cad_jax.models.vit import tower_input
from cad_jax.settings.model import Dtype, LipsConfig, ViTConfig, WhisperConfig
from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.published import WeightsError
from cad_jax.weights.store import load_tower, write_tower
from cad_jax.weights.towers import Tower, tower_model

Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ParityRow:
    """Largest absolute differences from the reference in float32, over all outputs.

    Attributes:
        name: of the tower.
        dtype: of the towers that are compared with it.
        ours: of our tower.
        reference: of the reference's own in this dtype; 0 for float32.
        largest: the largest absolute output of the reference, for scale.
    """

    name: str
    dtype: Dtype
    ours: float
    reference: float
    largest: float


def measure_parity(name: str, config: Tower, seed: int = 0) -> list[ParityRow]:
    """One row for float32, one for bfloat16.

    Raises:
        WeightsError: the extra `[parity]` is not installed.
    """
    inputs = random_inputs(config, seed)
    reference = make_reference(config, seed)
    exact = reference_outputs(reference, config, inputs)
    with tempfile.TemporaryDirectory() as temporary:
        published, converted = pathlib.Path(temporary, "published"), pathlib.Path(temporary, "ours")
        save_reference(reference, config, published)
        rounded = reference_outputs(reference.bfloat16(), config, inputs)
        del reference  # its memory is needed
        write_tower(convert(open_published(published)), (), converted)
        largest = max(float(np.abs(value).max()) for value in exact.values())

        def row(dtype: Dtype, theirs: Outputs) -> ParityRow:
            ours = tower_outputs(converted, config, inputs, dtype)
            return ParityRow(
                name,
                dtype,
                _distance(ours, exact),
                _distance(theirs, exact),
                largest,
            )

        return [row("float32", exact), row("bfloat16", rounded)]


def random_inputs(config: Tower, seed: int) -> np.ndarray:
    """Two images [2 h w 3] of the tower's size, a spectrogram [1 m r] of its full length, or mouth
    crops [2 12 h w 3], of which the second clip has 9.
    """
    rng = np.random.default_rng(seed)
    if isinstance(config, LipsConfig):
        size = config.image_size
        frames = rng.integers(0, 256, (2, 12, size, size, 3), np.uint8)
        frames[1, 9:] = 0
        return frames
    if isinstance(config, ViTConfig):
        return rng.integers(0, 256, (2, config.image_size, config.image_size, 3), np.uint8)
    return rng.standard_normal((1, config.mels, 2 * config.max_tokens)).astype(np.float32)


def make_reference(config: Tower, seed: int) -> Any:
    """Another's model with random weights of which none can hide a mistake.

    Initial weights would: zeros, ones, and queries so small that attention is uniform.

    Raises:
        WeightsError: the extra `[parity]`, or what lips need besides, is not installed.
    """
    torch, transformers = reference_libraries()
    if isinstance(config, LipsConfig):
        return make_avhubert(config, seed)
    torch.manual_seed(seed)
    if isinstance(config, ViTConfig):
        settings = transformers.CLIPVisionConfig(
            image_size=config.image_size,
            patch_size=config.patch_size,
            hidden_size=config.width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            intermediate_size=config.width * config.mlp_ratio,
            hidden_act=config.activation,
        )
        model = transformers.CLIPVisionModel(settings)
    else:
        model = transformers.WhisperModel(whisper_settings(config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("encoder.embed_positions.weight"):
                continue  # sinusoids
            noise = torch.randn_like(parameter)
            if name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            elif "norm" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif "embedding" in name and "patch" not in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
    return model.eval()


def whisper_settings(config: WhisperConfig) -> Any:
    """transformers' configuration of a Whisper with this encoder and the least of decoders."""
    _, transformers = reference_libraries()
    return transformers.WhisperConfig(
        num_mel_bins=config.mels,
        d_model=config.width,
        encoder_layers=config.depth,
        encoder_attention_heads=config.heads,
        encoder_ffn_dim=config.width * config.mlp_ratio,
        max_source_positions=config.max_tokens,
        decoder_layers=1,  # not ours, but in every published file
        decoder_attention_heads=config.heads,
        decoder_ffn_dim=config.width,
        vocab_size=64,
        max_target_positions=16,
        pad_token_id=1,
        bos_token_id=1,
        eos_token_id=1,
        decoder_start_token_id=1,
    )


def save_reference(model: Any, config: Tower, folder: pathlib.Path) -> None:
    """Writes the reference as its publisher would."""
    if isinstance(config, LipsConfig):
        save_avhubert(model, config, folder)
    else:
        model.save_pretrained(folder)


def reference_outputs(model: Any, config: Tower, inputs: np.ndarray) -> Outputs:
    """What the reference computes of `inputs`, in its own dtype, as float32."""
    if isinstance(config, LipsConfig):
        return avhubert_outputs(model, inputs)
    torch, _ = reference_libraries()
    if isinstance(config, ViTConfig):
        inputs = np.asarray(tower_input(jnp.asarray(inputs), False)).transpose(0, 3, 1, 2)
    else:
        model = model.get_encoder()
    with torch.inference_mode():
        result = model(torch.from_numpy(np.ascontiguousarray(inputs)).to(model.dtype))
    outputs = {"tokens": result.last_hidden_state}
    if isinstance(config, ViTConfig):
        outputs["pooled"] = result.pooler_output
    return {name: value.float().numpy() for name, value in outputs.items()}


def tower_outputs(
    folder: pathlib.Path, config: Tower, inputs: np.ndarray, dtype: Dtype = "float32"
) -> Outputs:
    """What our tower computes of `inputs` with converted weights, stored and multiplied in `dtype`.

    Raises:
        WeightsError: see `load_tower`.
    """
    model = tower_model(config, dtype)
    params = load_tower(folder, config, model.shapes)
    if isinstance(config, LipsConfig):
        exists = np.any(inputs, axis=(2, 3, 4))
        see = jax.jit(lambda params, *inputs: model.merge(params)(*inputs))
        tokens = np.asarray(see(params, inputs, exists), np.float32)
        return {"tokens": np.where(exists[..., None], tokens, 0.0)}
    result = jax.jit(lambda params, inputs: model.merge(params)(inputs))(params, inputs)
    named = zip(
        ("tokens", "pooled"), result if isinstance(result, tuple) else (result,), strict=False
    )
    return {name: np.asarray(value, np.float32) for name, value in named}


def parity_table(rows: list[ParityRow]) -> list[str]:
    """Lines of a table, widths aligned."""
    lines = [f"{'tower':<17}{'dtype':<10}{'ours':>9}{'reference':>14}{'largest':>9}"]
    for row in rows:
        reference = f"{row.reference:.1e}" if row.dtype != "float32" else ""
        lines.append(
            f"{row.name:<17}{row.dtype:<10}{row.ours:>9.1e}{reference:>14}{row.largest:>9.1f}"
        )
    return lines


def _distance(a: Outputs, b: Outputs) -> float:
    return max(float(np.abs(a[name].astype(np.float32) - b[name]).max()) for name in b)


def reference_libraries() -> tuple[Any, Any]:
    """torch and transformers.

    Raises:
        WeightsError: the extra `[parity]` is not installed.
    """
    try:
        import torch  # type: ignore[import-not-found]
        import transformers  # type: ignore[import-not-found]
    except ImportError as error:
        raise WeightsError(f"{error}; the reference needs: pip install cad-jax[parity]") from None
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers
