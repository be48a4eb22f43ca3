"""A linear layer with an optional low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685).

One set of base weights serves both paths: each call says whether the adapter takes part. Knows
nothing of which parameters are trained.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cad_jax.settings.model import Dtype


class Linear(nnx.Module):
    """y = x W + bias, and with `adapted` also + alpha / rank * (x A) B.

    B starts at zero, so that the adapted pass first equals the base pass bit for bit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        use_bias: bool = True,
        rank: int = 0,
        alpha: float = 1.0,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        init = nnx.initializers.lecun_normal()
        self.compute_dtype = dtype
        self.lora_scale = alpha / rank if rank else 0.0
        self.kernel = nnx.Param(init(rngs.params(), (inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs)) if use_bias else None
        if rank:
            self.lora_a = nnx.LoRAParam(init(rngs.params(), (inputs, rank), jnp.float32))
            self.lora_b = nnx.LoRAParam(jnp.zeros((rank, outputs), jnp.float32))

    def __call__(
        self, x: Float[Array, "*rows inputs"], adapted: bool = False
    ) -> Float[Array, "*rows outputs"]:
        """Returns the compute dtype, whatever x is stored in."""
        x = x.astype(self.compute_dtype)
        y = x @ self._cast(self.kernel)
        if self.bias is not None:
            y = y + self._cast(self.bias)
        if adapted and self.lora_scale:
            y = y + self.lora_scale * ((x @ self._cast(self.lora_a)) @ self._cast(self.lora_b))
        return y

    def _cast(self, parameter: nnx.Variable) -> jax.Array:
        return parameter[...].astype(self.compute_dtype)


def merge_adapters(module: nnx.Module) -> None:
    """Adds every adapter inside to its layer's kernel, float32, and takes it away.

    For a module whose base pass nobody needs: its adapted pass then costs no more than a base pass,
    and differs by rounding.
    """
    for _, layer in nnx.iter_graph(module):
        if isinstance(layer, Linear) and layer.lora_scale:
            update = layer.lora_scale * (layer.lora_a[...] @ layer.lora_b[...])
            layer.kernel = nnx.Param(layer.kernel[...].astype(jnp.float32) + update)
            layer.lora_scale = 0.0
            del layer.lora_a, layer.lora_b


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name is half of an adapter."""
    return name.endswith(("/lora_a", "/lora_b"))
