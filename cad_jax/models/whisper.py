"""The audio tower: Whisper's encoder, or a small from-scratch one with a spectrogram stem.

Takes log-mel spectrograms of any length up to its positions and returns 50 tokens a second. Knows
nothing of clips, masks or the 25 Hz grid. Letters: m mel bins, r mel frames, n = r / 2 tokens.
"""

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from cad_jax.models.layers import NO_LORA, Block, gelu, layer_norm, run_blocks
from cad_jax.models.stems import SpectrogramStem
from cad_jax.settings.model import Dtype, LoRAConfig, Remat, WhisperConfig

TOKEN_RATE = 50  # Hz


class TimeStem(nnx.Module):
    """Whisper's two convolutions over time; the second halves the rate."""

    def __init__(self, config: WhisperConfig, *, dtype: Dtype = "float32", rngs: nnx.Rngs) -> None:
        def conv(inputs: int, stride: int) -> nnx.Conv:
            return nnx.Conv(
                inputs,
                config.width,
                kernel_size=3,
                strides=stride,
                padding=1,
                dtype=dtype,
                rngs=rngs,
            )

        self.conv1 = conv(config.mels, stride=1)
        self.conv2 = conv(config.width, stride=2)

    def __call__(self, mel: Float[Array, "b m r"]) -> Float[Array, "b n d"]:
        return gelu(self.conv2(gelu(self.conv1(mel.swapaxes(1, 2)))))


class WhisperEncoder(nnx.Module):
    """A stem, sinusoidal positions, pre-norm blocks whose keys have no bias.

    Radford et al. 2022, arXiv 2212.04356. The positions are cropped to the clip rather than the
    clip padded to 30 s, which would cost several times the compute and teach silence.
    """

    def __init__(
        self,
        config: WhisperConfig,
        *,
        lora: LoRAConfig = NO_LORA,
        dtype: Dtype = "float32",
        remat: Remat = "none",
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.remat: Remat = remat
        stem = TimeStem if config.stem == "time" else SpectrogramStem
        self.stem = stem(config, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(
            Block(
                config.width,
                config.heads,
                mlp_ratio=config.mlp_ratio,
                key_bias=False,
                lora=lora,
                dtype=dtype,
                rngs=rngs,
            )
            for _ in range(config.depth)
        )
        self.ln_post = layer_norm(config.width, rngs)

    @jax.named_scope("whisper")
    def __call__(self, mel: Float[Array, "b m r"], adapted: bool = False) -> Float[Array, "b n d"]:
        """One token of width d for every two mel frames, float32.

        Raises:
            ValueError: the clip is longer than the positions reach.
        """
        if mel.shape[2] > 2 * self.config.max_tokens:
            raise ValueError(
                f"WhisperEncoder: {mel.shape[2]} mel frames; at most {2 * self.config.max_tokens}"
            )
        x = self.stem(mel)
        x = x + sinusoids(x.shape[1], x.shape[2]).astype(x.dtype)
        x = run_blocks(self.blocks, x, adapted=adapted, remat=self.remat)
        return self.ln_post(x)


def sinusoids(length: int, width: int) -> Float[np.ndarray, "n d"]:
    """Whisper's position encoding: sines, then cosines, of periods from 2 pi to 2 pi * 10000."""
    half = width // 2
    rates = np.exp(-np.log(10_000.0) / (half - 1) * np.arange(half))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
