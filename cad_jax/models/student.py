"""The students of the distillation path: what the fused representation still says of each modality.

The teachers are the specific paths; the losses stop their gradients, nothing here does.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cad_jax.models.layers import gelu, layer_norm
from cad_jax.models.lora import Linear
from cad_jax.parallel.mesh import keep_on_batch
from cad_jax.settings.model import CADConfig


class Predictor(nnx.Module):
    """SimSiam's bottleneck MLP (Chen and He 2020, arXiv 2011.10566).

    With a layer norm for its batch norm, whose statistics would tie a clip to its batch.
    """

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        hidden = config.width // 4
        self.up = Linear(config.width, hidden, dtype=dtype, rngs=rngs)
        self.norm = layer_norm(hidden, rngs)
        self.down = Linear(hidden, config.width, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "b d"]) -> Float[Array, "b d"]:
        hidden = gelu(self.norm(self.up(keep_on_batch(x))))
        return keep_on_batch(self.down(hidden).astype(jnp.float32))


class Student(nnx.Module):
    """One modality's prediction and logit from the fused representation."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        self.predictor = Predictor(config, rngs=rngs)
        self.logit = Linear(config.width, 1, dtype=config.compute_dtype, rngs=rngs)

    @jax.named_scope("student")
    def __call__(
        self, fused: Float[Array, "b d"]
    ) -> tuple[Float[Array, "b d"], Float[Array, " b"]]:
        """The predicted specific representation, and the student's logit."""
        return self.predictor(fused), self.logit(fused)[:, 0].astype(jnp.float32)
