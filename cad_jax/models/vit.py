"""The vision tower: CLIP's ViT, or a small from-scratch one with a convolutional stem.

Takes raw uint8 images and normalises them on the device. Knows nothing of clips or time: every
image is on its own. Letters: f images, n tokens, d the tower's width.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from cad_jax.models.layers import NO_LORA, Block, layer_norm, run_blocks
from cad_jax.models.lora import Linear
from cad_jax.models.stems import ImageStem, patches
from cad_jax.numerics import largest
from cad_jax.parallel.mesh import keep_on_batch
from cad_jax.settings.model import Dtype, LoRAConfig, Remat, ViTConfig

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
RESIDUAL_GAIN = 12.0  # brings residuals of a few grey levels to the order of normalised colours


@jax.named_scope("picture_input")
def tower_input(images: UInt8[Array, "f h w 3"], residual: bool) -> Float[Array, "f h w c"]:
    """CLIP-normalised colours, with `residual` also the high-pass residual and its magnitude."""
    pixels = images.astype(jnp.float32) / 255.0
    colours = (pixels - CLIP_MEAN) / CLIP_STD
    if not residual:
        return colours
    high_pass = RESIDUAL_GAIN * (pixels - binomial_blur(pixels))
    return jnp.concatenate([colours, high_pass, jnp.abs(high_pass)], axis=-1)


def binomial_blur(images: Float[Array, "f h w c"]) -> Float[Array, "f h w c"]:
    """Blur by the 5x5 binomial kernel, the edges repeated."""
    # Shifted slices: a depthwise convolution of 3 channels is some thirty times slower on a CPU.
    height, width = images.shape[1:3]
    padded = jnp.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    rows = jnp.zeros_like(padded[:, :height])
    for shift, weight in enumerate(BINOMIAL):
        rows = rows + weight * padded[:, shift : shift + height]
    blurred = jnp.zeros_like(images)
    for shift, weight in enumerate(BINOMIAL):
        blurred = blurred + weight * rows[:, :, shift : shift + width]
    return blurred


class PatchStem(nnx.Module):
    """One linear map of each patch, without bias (CLIP)."""

    def __init__(
        self, config: ViTConfig, channels: int, *, dtype: Dtype = "float32", rngs: nnx.Rngs
    ) -> None:
        self.patch = config.patch_size
        inputs = self.patch**2 * channels
        self.embedding = Linear(inputs, config.width, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f n d"]:
        x = self.embedding(patches(x, self.patch, self.patch))
        return x.reshape(x.shape[0], -1, x.shape[-1])


class ViT(nnx.Module):
    """CLIP's vision tower (Radford et al. 2021): pre-norm blocks between `ln_pre` and `ln_post`."""

    def __init__(
        self,
        config: ViTConfig,
        *,
        lora: LoRAConfig = NO_LORA,
        dtype: Dtype = "float32",
        remat: Remat = "none",
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.remat: Remat = remat
        width = config.width
        stem = PatchStem if config.stem == "patch" else ImageStem
        self.stem = stem(config, 9 if config.residual else 3, dtype=dtype, rngs=rngs)
        init = nnx.initializers.normal(0.02)
        tokens = (config.image_size // config.patch_size) ** 2
        if config.pool == "class":
            tokens += 1
            self.class_embedding = nnx.Param(init(rngs.params(), (width,)))
        else:
            self.pool = Linear(2 * width, width, dtype=dtype, rngs=rngs)
        self.position_embedding = nnx.Param(init(rngs.params(), (tokens, width)))
        self.ln_pre = layer_norm(width, rngs)
        self.blocks = nnx.List(
            Block(
                width,
                config.heads,
                mlp_ratio=config.mlp_ratio,
                act=config.activation,
                lora=lora,
                dtype=dtype,
                rngs=rngs,
            )
            for _ in range(config.depth)
        )
        self.ln_post = layer_norm(width, rngs)

    @jax.named_scope("vit")
    def __call__(
        self, images: UInt8[Array, "f h w 3"], adapted: bool = False
    ) -> tuple[Float[Array, "f n d"], Float[Array, "f d"]]:
        """Tokens as the last block leaves them (class token first), and the pooled image, float32.

        Raises:
            ValueError: the images are not of the configured size.
        """
        size = self.config.image_size
        if images.shape[1:3] != (size, size):
            raise ValueError(f"ViT: images of {images.shape[1:3]} pixels; the tower takes {size}")
        x = self.stem(tower_input(images, self.config.residual))
        if self.config.pool == "class":
            first = jnp.broadcast_to(self.class_embedding[...], (x.shape[0], 1, x.shape[2]))
            x = jnp.concatenate([first.astype(x.dtype), x], axis=1)
        x = self.ln_pre(x + self.position_embedding[...].astype(x.dtype)).astype(x.dtype)
        x = run_blocks(self.blocks, x, adapted=adapted, remat=self.remat)
        return x, keep_on_batch(self._pooled(x))

    def _pooled(self, x: Float[Array, "f n d"]) -> Float[Array, "f d"]:
        if self.config.pool == "class":
            return self.ln_post(x[:, 0])
        x = self.ln_post(x)
        both = jnp.concatenate([jnp.mean(x, axis=1), largest(x, axis=1)], axis=-1)
        return self.pool(both).astype(jnp.float32)
