"""The alignment path: embeddings for InfoNCE, and the shared semantics by cross-attention.

InfoNCE acts on the projectors' embeddings, before cross-attention: after it each side has seen the
other and the loss would be trivial. Knows nothing of towers or of losses.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from cad_jax.models.layers import MLP, Attention, gelu, layer_norm
from cad_jax.models.lora import Linear
from cad_jax.models.tracks import Track, masked_mean, time_embedding
from cad_jax.numerics import unit
from cad_jax.settings.model import CADConfig


class TemporalConv(nnx.Module):
    """A residual convolution over consecutive tokens; missing ones count as zero."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        self.norm = layer_norm(config.width, rngs)
        self.conv = nnx.Conv(
            config.width,
            config.width,
            kernel_size=config.temporal_kernel,
            dtype=config.compute_dtype,
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "b n d"], mask: Bool[Array, "b n"]) -> Float[Array, "b n d"]:
        return x + self.conv(jnp.where(mask[..., None], gelu(self.norm(x)), 0.0))


class AlignmentProjector(nnx.Module):
    """From a tower's features to the model's width, and on to unit alignment embeddings."""

    def __init__(self, inputs: int, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        self.centre_time = config.centre_time
        self.input_norm = layer_norm(inputs, rngs)
        self.input = Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.convs = nnx.List(TemporalConv(config, rngs=rngs) for _ in range(config.temporal_depth))
        self.norm = layer_norm(config.width, rngs)
        self.embedding = Linear(config.width, config.embedding, dtype=dtype, rngs=rngs)

    @jax.named_scope("projector")
    def __call__(
        self, x: Float[Array, "b n c"], mask: Bool[Array, "b n"]
    ) -> tuple[Float[Array, "b n d"], Float[Array, "b n e"]]:
        """Hidden features for cross-attention, and unit embeddings, float32.

        With `centre_time` a clip's mean over existing tokens is taken out first; a clip of one
        token then has the embedding 0.
        """
        hidden = self.input(self.input_norm(x))
        for conv in self.convs:
            hidden = conv(hidden, mask)
        z = self.embedding(gelu(self.norm(hidden))).astype(jnp.float32)
        if self.centre_time:
            z = z - masked_mean(z, mask)[:, None]
        return hidden, unit(z)


class CrossBlock(nnx.Module):
    """Pre-norm attention of one modality to the other, then an MLP."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        dtype = config.compute_dtype
        self.norm = layer_norm(config.width, rngs)
        self.context_norm = layer_norm(config.width, rngs)
        self.attention = Attention(config.width, config.heads, dtype=dtype, rngs=rngs)
        self.mlp_norm = layer_norm(config.width, rngs)
        self.mlp = MLP(config.width, 4 * config.width, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b q d"],
        context: Float[Array, "b n d"],
        mask: Bool[Array, "b n"],
    ) -> Float[Array, "b q d"]:
        x = x + self.attention(self.norm(x), self.context_norm(context), mask)
        return x + self.mlp(self.mlp_norm(x))


class CrossAttention(nnx.Module):
    """Both modalities attend to each other, each layer from the one before; nulls where absent."""

    def __init__(self, config: CADConfig, *, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.normal(0.02)
        self.null_video = nnx.Param(init(rngs.params(), (config.width,)))
        self.null_audio = nnx.Param(init(rngs.params(), (config.width,)))
        self.video_blocks = nnx.List(
            CrossBlock(config, rngs=rngs) for _ in range(config.cross_depth)
        )
        self.audio_blocks = nnx.List(
            CrossBlock(config, rngs=rngs) for _ in range(config.cross_depth)
        )

    @jax.named_scope("cross_attention")
    def __call__(self, video: Track, audio: Track) -> tuple[Track, Track]:
        """The shared features of either modality, at its own times and with its own mask."""
        seen, heard = (
            track.fill_absent(null[...])
            for track, null in ((video, self.null_video), (audio, self.null_audio))
        )
        x, y = (
            track.features + time_embedding(track.times, track.features.shape[-1])
            for track in (seen, heard)
        )
        for from_audio, from_video in zip(self.video_blocks, self.audio_blocks, strict=True):
            x, y = from_audio(x, y, heard.mask), from_video(y, x, seen.mask)
        return dataclasses.replace(video, features=x), dataclasses.replace(audio, features=y)
