"""Convolutional stems of small towers from scratch: of images, and of spectrograms.

Both norm over the whole image: normalised place by place, a region that was smoothed would look
like any other, and smoothness is what blending, upscaling and vocoders leave behind. Letters:
f images, p values of a patch, n tokens, d the tower's width, m mel bins, r mel frames.
"""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from cad_jax.models.layers import gelu
from cad_jax.models.lora import Linear
from cad_jax.numerics import largest
from cad_jax.settings.model import Dtype, ViTConfig, WhisperConfig

MEL_PATCH = (2, 4)  # mel frames and bins of the spectrogram stem's first map


def patches(
    x: Float[Array, "f h w c"], height: int, width: int
) -> Float[Array, "f rows columns p"]:
    """Cut into rectangles of `height` by `width`, each flattened by row, column and channel."""
    count, rows, columns, channels = x.shape
    rows, columns = rows // height, columns // width
    x = x.reshape(count, rows, height, columns, width, channels).swapaxes(2, 3)
    return x.reshape(count, rows, columns, height * width * channels)


class ConvStack(nnx.Module):
    """A linear map of patches, then 3x3 convolutions; each with a norm over the whole image.

    At full resolution, overlapping convolutions would take most of a small tower's time.
    """

    def __init__(
        self,
        patch: tuple[int, int],
        channels: int,
        sizes: Sequence[int],
        strides: tuple[int, int],
        *,
        dtype: Dtype = "float32",
        rngs: nnx.Rngs,
    ) -> None:
        self.patch = patch
        inputs = patch[0] * patch[1] * channels
        self.first = Linear(inputs, sizes[0], dtype=dtype, rngs=rngs)
        self.convs = nnx.List(
            nnx.Conv(
                inputs,
                outputs,
                kernel_size=(3, 3),
                strides=strides,
                dtype=dtype,
                rngs=rngs,
            )
            for inputs, outputs in itertools.pairwise(sizes)
        )
        self.norms = nnx.List(image_norm(size, rngs) for size in sizes)

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f rows columns k"]:
        x = gelu(self.norms[0](self.first(patches(x, *self.patch))))
        for conv, norm in zip(self.convs, self.norms[1:], strict=True):
            x = gelu(norm(conv(x)))
        return x


class ImageStem(nnx.Module):
    """From 4x4 pixels by stride 2 down to the patch grid; from width / 4 channels, doubling."""

    def __init__(
        self, config: ViTConfig, channels: int, *, dtype: Dtype = "float32", rngs: nnx.Rngs
    ) -> None:
        levels = config.patch_size.bit_length() - 2
        sizes = [config.width // 4 * 2**level for level in range(levels)]
        self.convs = ConvStack((4, 4), channels, sizes, (2, 2), dtype=dtype, rngs=rngs)
        self.embedding = Linear(sizes[-1], config.width, dtype=dtype, rngs=rngs)

    def __call__(self, x: Float[Array, "f h w c"]) -> Float[Array, "f n d"]:
        x = self.convs(x)
        return self.embedding(x.reshape(x.shape[0], -1, x.shape[-1]))


class SpectrogramStem(nnx.Module):
    """Over time and frequency, halving frequency only; then mean and maximum over frequency.

    Each mel bin's mean over the clip is taken out first, as in cepstral mean subtraction (Atal
    1974): it is the microphone, the room and the speaker. How the bins move stays.
    """

    def __init__(self, config: WhisperConfig, *, dtype: Dtype = "float32", rngs: nnx.Rngs) -> None:
        sizes = [config.width // 8, config.width // 4, config.width // 2]
        self.convs = ConvStack(MEL_PATCH, 1, sizes, (1, 2), dtype=dtype, rngs=rngs)
        self.embedding = Linear(2 * sizes[-1], config.width, dtype=dtype, rngs=rngs)

    def __call__(self, mel: Float[Array, "b m r"]) -> Float[Array, "b n d"]:
        x = mel - jnp.mean(mel, axis=2, keepdims=True)
        x = x / (jnp.std(x, axis=(1, 2), keepdims=True) + 1e-3)
        x = self.convs(x.swapaxes(1, 2)[..., None])
        both = jnp.concatenate([jnp.mean(x, axis=2), largest(x, axis=2)], axis=-1)
        return self.embedding(both)


def image_norm(channels: int, rngs: nnx.Rngs) -> nnx.GroupNorm:
    """Over height, width and channels of one image, in float32."""
    return nnx.GroupNorm(
        channels, num_groups=1, dtype=jnp.float32, use_fast_variance=False, rngs=rngs
    )
