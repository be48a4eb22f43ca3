"""A linear layer with an optional low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685).

One set of base weights serves both paths: each call says whether the adapter takes part. Knows
nothing of which parameters are trained.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx
from jax.lax import Precision as MatmulPrecision
from jaxtyping import Array, Float

from cad_jax.models.config import CADConfig
from cad_jax.models.functional import Params


@dataclasses.dataclass(frozen=True)
class Precision:
    """Names of the dtypes in which a layer multiplies and in which its base weights are stored."""

    compute: str = "float32"
    storage: str = "float32"

    @classmethod
    def of_towers(cls, config: CADConfig) -> "Precision":
        return cls(config.compute_dtype, config.frozen_dtype)

    @classmethod
    def of_heads(cls, config: CADConfig) -> "Precision":
        return cls(config.compute_dtype)


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
        precision: Precision,
        rngs: nnx.Rngs,
    ) -> None:
        init = nnx.initializers.lecun_normal()
        self.compute_dtype = precision.compute
        self.lora_scale = alpha / rank if rank else 0.0
        self.kernel = nnx.Param(init(rngs.params(), (inputs, outputs), precision.storage))
        self.bias = nnx.Param(jnp.zeros(outputs, precision.storage)) if use_bias else None
        if rank:
            self.lora_a = nnx.LoRAParam(init(rngs.params(), (inputs, rank), jnp.float32))
            self.lora_b = nnx.LoRAParam(jnp.zeros((rank, outputs), jnp.float32))

    def __call__(
        self, x: Float[Array, "*rows inputs"], adapted: bool = False
    ) -> Float[Array, "*rows outputs"]:
        """Returns the compute dtype, whatever x is stored in."""
        # One flat matrix of rows: the kernel's gradient then is a plain product, which XLA makes
        # nearly twice as fast on a CPU as one that contracts several axes.
        rows = x.reshape(-1, x.shape[-1]).astype(self.compute_dtype)
        y = rows @ self._cast(self.kernel)
        if self.bias is not None:
            y = y + self._cast(self.bias)
        if adapted and self.lora_scale:
            update = (rows @ self._cast(self.lora_a)) @ self._cast(self.lora_b)
            y = y + self.lora_scale * update
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def _cast(self, parameter: nnx.Variable) -> jax.Array:
        return parameter[...].astype(self.compute_dtype)


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name is half of an adapter."""
    return name.endswith(("/lora_a", "/lora_b"))


def merge_lora(params: Mapping[str, jax.Array], alpha: float) -> Params:
    """Folds every adapter into its kernel: the parameters of the same model at rank 0.

    Their base pass is the adapted pass of what went in. For a tower of which only the adapted pass
    is used: the base pass is gone.

    Args:
        params: by name; adapters stand beside their `kernel`.
        alpha: the adapters' (`LoRAConfig.alpha`); their rank is in their shapes.

    Returns:
        The parameters without adapters, in the dtypes they had.
    """
    merged = {name: array for name, array in params.items() if not is_adapter(name)}
    return merged | _shifted_kernels(merged, params, alpha)


def unmerge_lora(
    merged: Mapping[str, jax.Array], adapters: Mapping[str, jax.Array], alpha: float
) -> Params:
    """The inverse of `merge_lora`, to rounding: takes adapters out of the kernels they are in.

    Args:
        merged: what `merge_lora` returned.
        adapters: what it was given; names that are no adapters do not matter.
        alpha: as it was merged.

    Returns:
        The parameters, with the adapters beside the kernels.
    """
    params = dict(merged) | {name: a for name, a in adapters.items() if is_adapter(name)}
    return params | _shifted_kernels(merged, adapters, -alpha)


def _shifted_kernels(
    kernels: Mapping[str, jax.Array], adapters: Mapping[str, jax.Array], alpha: float
) -> Params:
    """kernel + alpha / rank * A B, computed in float32 whatever the kernels are stored in."""
    shifted = {}
    for name, a in adapters.items():
        if name.endswith("/lora_a"):
            layer = name.removesuffix("/lora_a")
            update = jnp.matmul(a, adapters[f"{layer}/lora_b"], precision=MatmulPrecision.HIGHEST)
            kernel = kernels[f"{layer}/kernel"]
            total = kernel.astype(jnp.float32) + alpha / a.shape[1] * update
            shifted[f"{layer}/kernel"] = total.astype(kernel.dtype)
    return shifted
