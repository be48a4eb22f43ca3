"""What every transformer here is made of: attention, MLP, pre-norm block, layer norm.

Matrix products run in the compute dtype; norms and softmax in float32. Letters beyond the project's
glossary: q queries, n keys and values. Knows nothing of modalities.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.lora import Linear
from cad_jax.parallel.mesh import keep_on_batch
from cad_jax.settings.model import Dtype, Layer, LoRAConfig, Remat

NO_LORA = LoRAConfig(rank=0)

# Of a longer stack the compiler sees one block, which lowers in a fifth of the time. A short one
# stays as it stands, for there is little to gain.
LONGEST_UNROLLED = 4


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

    @jax.named_scope("attention")
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

    @jax.named_scope("mlp")
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


# What a block's backward pass finds stored; the rest it computes again.
REMAT_POLICIES: dict[Remat, Callable[..., Any] | None] = {
    "none": None,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "all": jax.checkpoint_policies.nothing_saveable,
}


def run_blocks(
    blocks: Sequence[Block],
    x: Float[Array, "b n d"],
    *,
    mask: Bool[Array, "b n"] | None = None,
    adapted: bool = False,
    remat: Remat = "none",
) -> Float[Array, "b n d"]:
    """Apply equal blocks in turn; more than `LONGEST_UNROLLED` as one loop over stacked weights.

    Args:
        blocks: of one structure.
        x: what goes in.
        mask: keys that exist.
        adapted: whether adapters take part.
        remat: what the backward pass computes again, by the names of `REMAT_POLICIES`.
    """

    def apply(x: jax.Array, state: Any) -> jax.Array:
        return keep_on_batch(nnx.merge(structure, state)(x, mask, adapted))

    if not blocks:
        return x
    structure = nnx.graphdef(blocks[0])
    states = [nnx.state(block) for block in blocks]
    unrolled = len(blocks) <= LONGEST_UNROLLED
    if remat != "none":
        apply = jax.checkpoint(apply, policy=REMAT_POLICIES[remat], prevent_cse=unrolled)
    if unrolled:
        return functools.reduce(apply, states, x)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    return jax.lax.scan(lambda x, state: (apply(x, state), None), x, stacked)[0]
