"""The modality-specific path behind its tower: evidence over time, its verdict, its representation.

The same module serves picture and sound. Knows nothing of the other modality.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.layers import layer_norm
from cad_jax.models.lora import Linear
from cad_jax.models.tracks import Track, masked_mean
from cad_jax.settings.model import CADConfig


@flax.struct.dataclass
class SpecificEvidence:
    """Features over the t face frames' bins, their logits, the clip's logit and representation."""

    track: Track
    frame_logits: Float[Array, "b t"]
    logit: Float[Array, " b"]
    pooled: Float[Array, "b d"]


class SpecificPath(nnx.Module):
    """Projects a tower's features and judges each bin; a null token stands in for a modality."""

    def __init__(self, inputs: int, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        self.projection = Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.null = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (config.width,)))
        self.norm = layer_norm(config.width, rngs)
        self.logit = Linear(config.width, 1, dtype=dtype, rngs=rngs)

    @jax.named_scope("specific_path")
    def __call__(self, track: Track) -> SpecificEvidence:
        """Judge the tower's features; the returned track keeps the mask of what really exists."""
        projected = dataclasses.replace(track, features=self.projection(track.features))
        filled = projected.fill_absent(self.null[...])
        features = self.norm(filled.features)
        frame_logits = self.logit(features)[..., 0].astype(jnp.float32)
        return SpecificEvidence(
            track=dataclasses.replace(track, features=features),
            frame_logits=frame_logits,
            logit=log_mean_exp(frame_logits, filled.mask),
            pooled=masked_mean(features, filled.mask),
        )


def log_mean_exp(x: Float[Array, "b t"], mask: Bool[Array, "b t"]) -> Float[Array, " b"]:
    """Smooth maximum over the bins that exist; at least one must. Equal values keep their value."""
    count = jnp.sum(mask, axis=1)
    return jax.nn.logsumexp(x, axis=1, where=mask) - jnp.log(count)
