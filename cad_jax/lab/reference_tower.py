"""The towers as one would write them from scratch for an accelerator, to measure ours against.

One scan over stacked blocks, recomputed in the backward pass, half precision products, LoRA;
pictures by CLIP's ViT (Radford et al. 2021), sound by Whisper's encoder (Radford et al. 2022).
Shares no code with `cad_jax.models`. Letters: f images or clips, n tokens, d width.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from cad_jax.settings.model import Dtype, ViTConfig, WhisperConfig

Params = Mapping[str, jax.Array]
_BLOCK = re.compile(r"^blocks/(\d+)/")
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def stacked(params: Params) -> dict[str, jax.Array]:
    """Our parameters of one tower as the reference takes them.

    `blocks/0/mlp/up/kernel` and its like in the other blocks become one `blocks/mlp/up/kernel`.
    """
    rows: dict[str, list[jax.Array]] = {}
    for name in sorted(params, key=lambda name: int((_BLOCK.match(name) or [0, -1])[1])):
        rows.setdefault(_BLOCK.sub("blocks/", name), []).append(params[name])
    return {
        name: jnp.stack(row) if name.startswith("blocks/") else row[0] for name, row in rows.items()
    }


@dataclasses.dataclass(frozen=True)
class ReferenceTower:
    """A tower without parameters.

    Attributes:
        config: its sizes; of CLIP's or Whisper's kind.
        lora_scale: alpha over rank.
        dtype: of matrix products and of what is stored between blocks.
    """

    config: ViTConfig | WhisperConfig
    lora_scale: float
    dtype: Dtype = "bfloat16"

    def see(self, params: Params, images: UInt8[Array, "f h w 3"]) -> Float[Array, "f d"]:
        """The normed class token of every image, float32."""
        assert isinstance(self.config, ViTConfig)
        count, patch, width = len(images), self.config.patch_size, self.config.width
        side = self.config.image_size // patch
        x = self._cast((images / 255.0 - _MEAN) / _STD)
        x = x.reshape(count, side, patch, side, patch, 3).swapaxes(2, 3)
        x = x.reshape(count, side * side, -1) @ self._cast(params["stem/embedding/kernel"])
        first = jnp.broadcast_to(self._cast(params["class_embedding"]), (count, 1, width))
        x = jnp.concatenate([first, x], axis=1) + self._cast(params["position_embedding"])
        x = self._cast(_norm(x, params, "ln_pre"))
        x = self._blocks(params, x, lambda x: x * jax.nn.sigmoid(1.702 * x))
        return _norm(x[:, 0], params, "ln_post")

    def hear(self, params: Params, mel: Float[Array, "f m r"]) -> Float[Array, "f n d"]:
        """One token for every two frames of the spectrogram, float32."""
        x = self._cast(mel.swapaxes(1, 2))
        for name, stride in (("stem/conv1", 1), ("stem/conv2", 2)):
            kernel, bias = self._cast(params[f"{name}/kernel"]), self._cast(params[f"{name}/bias"])
            x = jax.lax.conv_general_dilated(
                x, kernel, (stride,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC")
            )
            x = jax.nn.gelu(x + bias, approximate=False)
        x = x + self._cast(_positions(x.shape[1], x.shape[2]))
        x = self._blocks(params, x, functools.partial(jax.nn.gelu, approximate=False))
        return _norm(x, params, "ln_post")

    def _blocks(
        self, params: Params, x: jax.Array, act: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        def block(x: jax.Array, p: Params) -> tuple[jax.Array, None]:
            y = self._cast(_norm(x, p, "blocks/attention_norm"))
            query, key, value = (
                self._linear(y, p, f"blocks/attention/{name}").reshape(
                    *y.shape[:2], self.config.heads, -1
                )
                for name in ("query", "key", "value")
            )
            logits = jnp.einsum("fqhc,fkhc->fhqk", query, key).astype(jnp.float32)
            weights = jax.nn.softmax(logits / np.sqrt(query.shape[-1]), axis=-1)
            y = jnp.einsum("fhqk,fkhc->fqhc", self._cast(weights), value).reshape(x.shape)
            x = x + self._linear(y, p, "blocks/attention/out")
            y = self._cast(_norm(x, p, "blocks/mlp_norm"))
            y = act(self._linear(y, p, "blocks/mlp/up"))
            return x + self._linear(y, p, "blocks/mlp/down"), None

        layers = {name: value for name, value in params.items() if name.startswith("blocks/")}
        return jax.lax.scan(jax.checkpoint(block, prevent_cse=False), x, layers)[0]

    def _linear(self, x: jax.Array, p: Params, name: str) -> jax.Array:
        y = x @ self._cast(p[f"{name}/kernel"])
        if f"{name}/bias" in p:
            y = y + self._cast(p[f"{name}/bias"])
        if f"{name}/lora_a" in p:
            low = x @ self._cast(p[f"{name}/lora_a"])
            y = y + self.lora_scale * (low @ self._cast(p[f"{name}/lora_b"]))
        return y

    def _cast(self, x: jax.Array | np.ndarray) -> jax.Array:
        return jnp.asarray(x, self.dtype)


def _norm(x: jax.Array, params: Params, name: str) -> jax.Array:
    x = x.astype(jnp.float32)
    mean, variance = jnp.mean(x, axis=-1, keepdims=True), jnp.var(x, axis=-1, keepdims=True)
    x = (x - mean) * jax.lax.rsqrt(variance + 1e-5)
    return x * params[f"{name}/scale"] + params[f"{name}/bias"]


def _positions(length: int, width: int) -> np.ndarray:
    rates = np.exp(-np.log(10_000.0) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
