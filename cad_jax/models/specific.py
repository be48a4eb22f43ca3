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
    """What speaks for a forgery of one modality, and the clip's representation.

    Attributes:
        track: features of the t face frames' bins, and of the whole clip where it was given.
        frame_logits: of the bins.
        logits: of the clip, by its bins and, where it was given, by the whole.
        pooled: the clip's representation.
    """

    track: Track
    frame_logits: Float[Array, "b t"]
    logits: Float[Array, "b v"]
    pooled: Float[Array, "b d"]

    @property
    def logit(self) -> Float[Array, " b"]:
        """The clip's: the mean of its judgements."""
        return jnp.mean(self.logits, axis=1)


class SpecificPath(nnx.Module):
    """Projects a tower's features and judges each bin; a null token stands in for a modality.

    What was measured of the whole clip is judged on its own, so that neither judge leaves the work
    to the other: the one that learns a training set sooner need not be the one that generalises.
    """

    def __init__(
        self, inputs: int, config: CADConfig, *, whole_inputs: int = 0, rngs: nnx.Rngs
    ) -> None:
        dtype = config.compute_dtype
        self.projection = Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.null = nnx.Param(nnx.initializers.normal(0.02)(rngs.params(), (config.width,)))
        self.norm = layer_norm(config.width, rngs)
        self.logit = Linear(config.width, 1, dtype=dtype, rngs=rngs)
        self.whole = WholeClip(whole_inputs, config, rngs=rngs) if whole_inputs else None

    @jax.named_scope("specific_path")
    def __call__(self, track: Track, whole: Float[Array, "b c"] | None = None) -> SpecificEvidence:
        """Judge the tower's features; the returned track keeps the mask of what really exists.

        Args:
            track: the tower's features of the bins.
            whole: what was measured of the whole clip, where the path was built for it.
        """
        projected = dataclasses.replace(track, features=self.projection(track.features))
        filled = projected.fill_absent(self.null[...])
        features = self.norm(filled.features)
        frame_logits = self.logit(features)[..., 0].astype(jnp.float32)
        evidence = SpecificEvidence(
            track=dataclasses.replace(track, features=features),
            frame_logits=frame_logits,
            logits=log_mean_exp(frame_logits, filled.mask)[:, None],
            pooled=masked_mean(features, filled.mask),
        )
        if self.whole is None:
            return evidence
        assert whole is not None
        return self.whole(whole, evidence)


class WholeClip(nnx.Module):
    """One more token and judgement, of what was measured of the whole clip."""

    def __init__(self, inputs: int, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        self.projection = Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.norm = layer_norm(config.width, rngs)
        self.logit = Linear(config.width, 1, dtype=dtype, rngs=rngs)

    def __call__(self, whole: Float[Array, "b c"], bins: SpecificEvidence) -> SpecificEvidence:
        """The evidence of the bins with this beside it; its time is the middle of the clip."""
        features = self.norm(self.projection(whole))
        logit = self.logit(features).astype(jnp.float32)
        track = bins.track
        return dataclasses.replace(
            bins,
            track=Track(
                jnp.concatenate([track.features, features[:, None]], axis=1),
                jnp.concatenate([track.times, jnp.mean(track.times, 1, keepdims=True)], axis=1),
                jnp.concatenate([track.mask, jnp.any(track.mask, 1, keepdims=True)], axis=1),
            ),
            logits=jnp.concatenate([bins.logits, logit], axis=1),
            pooled=(bins.pooled + features) / 2,
        )


def log_mean_exp(x: Float[Array, "b t"], mask: Bool[Array, "b t"]) -> Float[Array, " b"]:
    """Smooth maximum over the bins that exist; at least one must. Equal values keep their value."""
    count = jnp.sum(mask, axis=1)
    return jax.nn.logsumexp(x, axis=1, where=mask) - jnp.log(count)
