"""The lip tower: AV-HuBERT's visual encoder, or a small one from scratch.

Takes raw uint8 mouth crops, 25 a second, and makes them grey and normal on the device. Its first
convolution sees five frames, its transformer all of a clip: frames must be consecutive in time, and
those that do not exist are kept out by their mask. Nothing passes between clips. Letters: f frames
of all clips, k of one clip, c channels, d the tower's width.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, UInt8

from cad_jax.models.layers import REMAT_POLICIES, Block, gelu, layer_norm, run_blocks
from cad_jax.models.lora import Linear
from cad_jax.models.stems import image_norm
from cad_jax.parallel.mesh import keep_on_batch
from cad_jax.settings.model import Dtype, LipsConfig, Remat

# Grey as OpenCV makes it, in steps of 1 / 32768 (ITU-R BT.601), and what AV-HuBERT takes from it.
RED_GREEN_BLUE, SHIFT = (9798, 19235, 3735), 15
GREY_MEAN, GREY_STD = 0.421, 0.165
SEEN = 5  # frames in the first convolution
STAGES = (1, 1, 2, 2, 4, 4, 8, 8)  # channels of ResNet-18's blocks, over the first convolution's


@jax.named_scope("lips_input")
def lips_input(
    frames: UInt8[Array, "b k h w 3"], mask: Bool[Array, "b k"]
) -> Float[Array, "b k h w"]:
    """Normalised grey; 0 where there is no frame, as beyond the ends of the clip."""
    weighted = jnp.sum(frames.astype(jnp.int32) * np.array(RED_GREEN_BLUE, np.int32), axis=-1)
    grey = (weighted + (1 << SHIFT - 1) >> SHIFT).astype(jnp.float32) / 255.0
    return jnp.where(mask[..., None, None], (grey - GREY_MEAN) / GREY_STD, 0.0)


def neighbours(x: Float[Array, "b k h w"]) -> Float[Array, "f h w 5"]:
    """Each frame between the two before and the two after it, zeros beyond the ends.

    Of one grey channel, the convolution over time and place is one over place of these.
    """
    reach = SEEN // 2
    padded = jnp.pad(x, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    stacked = jnp.stack([padded[:, i : i + x.shape[1]] for i in range(SEEN)], axis=-1)
    return stacked.reshape(-1, *stacked.shape[2:])


def max_pool(x: Float[Array, "f h w c"]) -> Float[Array, "f rows columns c"]:
    """The maximum of 3x3 places around every second one."""
    # By comparisons: the gradient of `jnp.maximum` asks for x == max, see `numerics.largest`.
    for axis in (1, 2):
        ends = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded = jnp.pad(x, ends, constant_values=-jnp.inf)
        last = x.shape[axis] - 1 | 1
        taken = [jax.lax.slice_in_dim(padded, i, i + last, 2, axis) for i in range(3)]
        x = functools.reduce(lambda a, b: jnp.where(a >= b, a, b), taken)
    return x


class Affine(nnx.Module):
    """One scale and shift a channel, in float32."""

    def __init__(self, channels: int) -> None:
        self.scale = nnx.Param(jnp.ones(channels))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f h w c"]:
        return x.astype(jnp.float32) * self.scale[...] + self.bias[...]


class PReLU(nnx.Module):
    """Negative values are scaled, each channel's by its own slope (He et al. 2015)."""

    def __init__(self, channels: int) -> None:
        self.slope = nnx.Param(jnp.full(channels, 0.25))

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f h w c"]:
        return jnp.where(x >= 0, x, self.slope[...].astype(x.dtype) * x)


def _norm(config: LipsConfig, channels: int, rngs: nnx.Rngs) -> Affine | nnx.GroupNorm:
    return Affine(channels) if config.norm == "affine" else image_norm(channels, rngs)


class LipsStem(nnx.Module):
    """5 frames of 7x7 places, every second place; then the maximum of 3x3, every second again."""

    def __init__(self, config: LipsConfig, *, dtype: Dtype = "float32", rngs: nnx.Rngs) -> None:
        self.conv = _conv(SEEN, config.channels, 7, stride=2, dtype=dtype, rngs=rngs)
        self.norm = _norm(config, config.channels, rngs)
        self.prelu = PReLU(config.channels)

    def __call__(self, x: Float[Array, "b k h w"]) -> Float[Array, "f rows columns c"]:
        return max_pool(self.prelu(self.norm(self.conv(neighbours(x)))))


class ResidualBlock(nnx.Module):
    """ResNet's basic block (He et al. 2016), with PReLU."""

    def __init__(
        self,
        config: LipsConfig,
        inputs: int,
        outputs: int,
        *,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        stride = outputs // inputs
        self.conv1 = _conv(inputs, outputs, 3, stride=stride, dtype=dtype, rngs=rngs)
        self.norm1 = _norm(config, outputs, rngs)
        self.prelu1 = PReLU(outputs)
        self.conv2 = _conv(outputs, outputs, 3, stride=1, dtype=dtype, rngs=rngs)
        self.norm2 = _norm(config, outputs, rngs)
        self.prelu2 = PReLU(outputs)
        self.strides = stride > 1
        if self.strides:
            self.shortcut = _conv(inputs, outputs, 1, stride=stride, dtype=dtype, rngs=rngs)
            self.shortcut_norm = _norm(config, outputs, rngs)

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f rows columns k"]:
        y = self.prelu1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.strides:
            x = self.shortcut_norm(self.shortcut(x))
        return self.prelu2(y + x)


class LipsTower(nnx.Module):
    """A stem over time and place, ResNet-18, and a transformer (Shi et al. 2022, arXiv 2201.02184).

    AV-HuBERT joins sound and picture before the transformer. Here the sound's half is zeros, as
    AV-HuBERT has it for a picture alone; the norm over both halves sees them.
    """

    def __init__(
        self,
        config: LipsConfig,
        *,
        dtype: Dtype = "float32",
        remat: Remat = "none",
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.remat: Remat = remat
        width, channels = config.width, [config.channels * times for times in (1, *STAGES)]
        self.stem = LipsStem(config, dtype=dtype, rngs=rngs)
        self.trunk = nnx.List(
            ResidualBlock(config, inputs, outputs, dtype=dtype, rngs=rngs)
            for inputs, outputs in itertools.pairwise(channels)
        )
        self.projection = Linear(channels[-1], width, dtype=dtype, rngs=rngs)
        self.fusion_norm = layer_norm(2 * width, rngs)
        self.fusion = Linear(2 * width, width, dtype=dtype, rngs=rngs)
        before = config.position_kernel // 2
        self.positions = nnx.Conv(
            width,
            width,
            kernel_size=config.position_kernel,
            padding=((before, config.position_kernel - 1 - before),),
            feature_group_count=config.position_groups,
            dtype=dtype,
            rngs=rngs,
        )
        self.blocks = nnx.List(
            Block(width, config.heads, mlp_ratio=config.mlp_ratio, dtype=dtype, rngs=rngs)
            for _ in range(config.depth)
        )
        self.ln_post = layer_norm(width, rngs)

    @jax.named_scope("lips")
    def __call__(
        self, frames: UInt8[Array, "b k h w 3"], mask: Bool[Array, "b k"]
    ) -> Float[Array, "b k d"]:
        """A feature of every frame, float32; without meaning where `mask` says there is none.

        Raises:
            ValueError: the frames are not of the configured size.
        """
        size = self.config.image_size
        if frames.shape[2:4] != (size, size):
            raise ValueError(f"LipsTower: frames of {frames.shape[2:4]} pixels; it takes {size}")
        x = self._look(lips_input(frames, mask)).reshape(*mask.shape, -1)
        x = self.projection(x)
        x = self.fusion(self.fusion_norm(jnp.concatenate([jnp.zeros_like(x), x], axis=-1)))
        x = jnp.where(mask[..., None], x, 0)
        x = x + gelu(self.positions(x))
        x = run_blocks(self.blocks, x, mask=mask, remat=self.remat)
        return keep_on_batch(self.ln_post(x))

    def _look(self, x: Float[Array, "b k h w"]) -> Float[Array, "f c"]:
        """What the stem and the trunk make of each frame and its neighbours."""
        apply = ResidualBlock.__call__
        if self.remat != "none":
            apply = nnx.remat(apply, policy=REMAT_POLICIES[self.remat])
        x = functools.reduce(
            lambda x, block: keep_on_batch(apply(block, x)), self.trunk, self.stem(x)
        )
        return jnp.mean(x, axis=(1, 2))


def _conv(
    inputs: int, outputs: int, size: int, *, stride: int, dtype: Dtype, rngs: nnx.Rngs
) -> nnx.Conv:
    return nnx.Conv(
        inputs,
        outputs,
        kernel_size=(size, size),
        strides=(stride, stride),
        padding=size // 2,
        use_bias=False,
        dtype=dtype,
        rngs=rngs,
    )
