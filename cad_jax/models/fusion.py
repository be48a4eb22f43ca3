"""Fusion over time: shared and specific tokens of both modalities become one vector a clip.

Tokens are told apart by a modality embedding and placed by their time in seconds; what does not
exist is masked. Knows nothing of towers, heads or losses.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.config import CADConfig
from cad_jax.models.layers import Block, layer_norm, run_blocks
from cad_jax.models.lora import Linear, Precision
from cad_jax.models.sync import OFFSETS
from cad_jax.models.tracks import Track, masked_mean, time_embedding

TRACKS = 4  # shared video, shared audio, specific video, specific audio


class Fusion(nnx.Module):
    """A transformer with a class token, or (`fusion='mean'`) the plain mean over the tokens."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        precision = Precision.of_heads(config)
        init = nnx.initializers.normal(0.02)
        self.input_norms = nnx.List(layer_norm(config.width, rngs) for _ in range(TRACKS))
        self.modality_embedding = nnx.Param(init(rngs.params(), (TRACKS, config.width)))
        self.sync_token = Linear(len(OFFSETS), config.width, precision=precision, rngs=rngs)
        self.transformer = config.fusion == "transformer"
        if self.transformer:
            self.class_embedding = nnx.Param(init(rngs.params(), (config.width,)))
            self.blocks = nnx.List(
                Block(config.width, config.heads, precision=precision, rngs=rngs)
                for _ in range(config.fusion_depth)
            )
        self.ln_post = layer_norm(config.width, rngs)

    def __call__(
        self,
        tracks: Sequence[Track],
        sync_curve: Float[Array, "b o"],
        has_sync: Bool[Array, " b"],
    ) -> Float[Array, "b d"]:
        """Fuse the four tracks and the sync curve, which counts where `has_sync`; float32."""
        curve = self.sync_token(sync_curve)[:, None].astype(jnp.float32)
        tokens = jnp.concatenate([*self._embedded(tracks), curve], axis=1)
        mask = jnp.concatenate([*(track.mask for track in tracks), has_sync[:, None]], axis=1)
        if not self.transformer:
            return self.ln_post(masked_mean(tokens, mask))
        batch, _, width = tokens.shape
        first = jnp.broadcast_to(self.class_embedding[...], (batch, 1, width))
        tokens = jnp.concatenate([first, tokens], axis=1)
        mask = jnp.concatenate([jnp.ones((batch, 1), bool), mask], axis=1)
        return self.ln_post(run_blocks(self.blocks, tokens, mask=mask)[:, 0])

    def _embedded(self, tracks: Sequence[Track]) -> list[Float[Array, "b n d"]]:
        return [
            norm(track.features)
            + time_embedding(track.times, track.features.shape[-1])
            + self.modality_embedding[index]
            for index, (norm, track) in enumerate(zip(self.input_norms, tracks, strict=True))
        ]
