"""What every transformer here is made of: attention, MLP, pre-norm block, layer norm.

Matrix products run in the compute dtype; norms and softmax in float32. Letters beyond the project's
glossary: q queries, n keys and values. Knows nothing of modalities.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.lora import Linear
from cad_jax.settings.model import Dtype, Layer, LoRAConfig

NO_LORA = LoRAConfig(rank=0)


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """x * sigmoid(1.702 x), the approximation that CLIP was trained with."""
    return x * jax.nn.sigmoid(1.702 * x)


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The exact GELU, by the error function; Whisper's."""
    return jax.nn.gelu(x, approximate=False)


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"quick_gelu": quick_gelu, "gelu": gelu}


def layer_norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Over the last axis, in float32, with float32 parameters and output."""
    # The fast variance E[x^2] - E[x]^2 cancels where activations have a large mean.
    return nnx.LayerNorm(width, epsilon=1e-5, dtype=jnp.float32, use_fast_variance=False, rngs=rngs)


class Attention(nnx.Module):
    """Multi-head attention; keys and values come from `context`, by default from x itself."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        key_bias: bool = True,
        lora: LoRAConfig = NO_LORA,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        def linear(name: Layer, use_bias: bool = True) -> Linear:
            return Linear(
                width,
                width,
                use_bias=use_bias,
                rank=lora.rank_of(name),
                alpha=lora.alpha,
                dtype=dtype,
                rngs=rngs,
            )

        self.heads = heads
        self.query = linear("query")
        self.key = linear("key", key_bias)
        self.value = linear("value")
        self.out = linear("out")

    def __call__(
        self,
        x: Float[Array, "b q d"],
        context: Float[Array, "b n d"] | None = None,
        mask: Bool[Array, "b n"] | None = None,
        adapted: bool = False,
    ) -> Float[Array, "b q d"]:
        """Attend to the keys that `mask` keeps; a row without any attends to all, evenly."""
        context = x if context is None else context
        mixed = jax.nn.dot_product_attention(
            self._split(self.query(x, adapted)),
            self._split(self.key(context, adapted)),
            self._split(self.value(context, adapted)),
            mask=None if mask is None else mask[:, None, None, :],
        )
        return self.out(mixed.reshape(x.shape), adapted)

    def _split(self, x: Float[Array, "b n d"]) -> Float[Array, "b n h c"]:
        return x.reshape(*x.shape[:2], self.heads, -1)


class MLP(nnx.Module):
    """Two linear layers with an activation between them."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        act: Literal["quick_gelu", "gelu"] = "gelu",
        lora: LoRAConfig = NO_LORA,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        self.activation = ACTIVATIONS[act]
        self.up = Linear(
            width, hidden, rank=lora.rank_of("up"), alpha=lora.alpha, dtype=dtype, rngs=rngs
        )
        self.down = Linear(
            hidden,
            width,
            rank=lora.rank_of("down"),
            alpha=lora.alpha,
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(
        self, x: Float[Array, "*rows d"], adapted: bool = False
    ) -> Float[Array, "*rows d"]:
        return self.down(self.activation(self.up(x, adapted)), adapted)


class Block(nnx.Module):
    """Pre-norm self-attention and MLP, each with a residual connection."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        mlp_ratio: int = 4,
        act: Literal["quick_gelu", "gelu"] = "gelu",
        key_bias: bool = True,
        lora: LoRAConfig = NO_LORA,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        self.attention_norm = layer_norm(width, rngs)
        self.attention = Attention(
            width, heads, key_bias=key_bias, lora=lora, dtype=dtype, rngs=rngs
        )
        self.mlp_norm = layer_norm(width, rngs)
        self.mlp = MLP(width, mlp_ratio * width, act=act, lora=lora, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        mask: Bool[Array, "b n"] | None = None,
        adapted: bool = False,
    ) -> Float[Array, "b n d"]:
        x = x + self.attention(self.attention_norm(x), mask=mask, adapted=adapted)
        return x + self.mlp(self.mlp_norm(x), adapted)


def run_blocks(
    blocks: Sequence[Block],
    x: Float[Array, "b n d"],
    *,
    mask: Bool[Array, "b n"] | None = None,
    adapted: bool = False,
    remat: bool = False,
) -> Float[Array, "b n d"]:
    """Apply the blocks in turn; with `remat`, store only their inputs for the backward pass."""
    for block in blocks:

        def apply(x: jax.Array, block: Block = block) -> jax.Array:
            return block(x, mask, adapted)

        x = jax.checkpoint(apply)(x) if remat else apply(x)
    return x
