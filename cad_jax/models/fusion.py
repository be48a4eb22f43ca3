"""Fusion over time: shared and specific tokens of both modalities become one vector a clip.

Tokens are told apart by a modality embedding and placed by their time in seconds; what does not
exist is masked. Knows nothing of towers, heads or losses.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.layers import Block, layer_norm, run_blocks
from cad_jax.models.lora import Linear
from cad_jax.models.sync import OFFSETS
from cad_jax.models.tracks import Track, masked_mean, time_embedding
from cad_jax.settings.model import CADConfig

TRACKS = 4  # shared video, shared audio, specific video, specific audio


class Fusion(nnx.Module):
    """A transformer with a class token, or (`fusion='mean'`) naive: each track's mean, joined."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        init = nnx.initializers.normal(0.02)
        self.input_norms = nnx.List(layer_norm(config.width, rngs) for _ in range(TRACKS))
        self.sync_token = Linear(len(OFFSETS), config.width, dtype=dtype, rngs=rngs)
        self.transformer = config.fusion == "transformer"
        if self.transformer:
            self.class_embedding = nnx.Param(init(rngs.params(), (config.width,)))
            self.modality_embedding = nnx.Param(init(rngs.params(), (TRACKS, config.width)))
            self.blocks = nnx.List(
                Block(config.width, config.heads, dtype=dtype, rngs=rngs)
                for _ in range(config.fusion_depth)
            )
        else:
            inputs = (TRACKS + 1) * config.width
            self.join = Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.ln_post = layer_norm(config.width, rngs)

    @jax.named_scope("fusion")
    def __call__(
        self,
        tracks: Sequence[Track],
        sync_curve: Float[Array, "b o"],
        has_sync: Bool[Array, " b"],
    ) -> Float[Array, "b d"]:
        """Fuse the four tracks and the sync curve, which counts where `has_sync`; float32."""
        features = [
            norm(track.features) for norm, track in zip(self.input_norms, tracks, strict=True)
        ]
        masks = [track.mask for track in tracks]
        curve = self.sync_token(sync_curve).astype(jnp.float32)
        if not self.transformer:
            means = [masked_mean(x, mask) for x, mask in zip(features, masks, strict=True)]
            means.append(jnp.where(has_sync[:, None], curve, 0.0))
            return self.ln_post(self.join(jnp.concatenate(means, axis=-1)))

        tokens = [
            x + time_embedding(track.times, x.shape[-1]) + self.modality_embedding[index]
            for index, (x, track) in enumerate(zip(features, tracks, strict=True))
        ]
        first = jnp.broadcast_to(self.class_embedding[...], curve.shape)
        tokens = jnp.concatenate([first[:, None], curve[:, None], *tokens], axis=1)
        always = jnp.ones_like(has_sync)
        mask = jnp.concatenate([always[:, None], has_sync[:, None], *masks], axis=1)
        return self.ln_post(run_blocks(self.blocks, tokens, mask=mask)[:, 0])
