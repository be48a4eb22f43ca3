"""The model's configuration: frozen dataclasses, and the published towers by name.

Owns names, defaults and their checks. Values the paper states are marked; all others are ours.
Knows nothing of JAX, of files or of training.
"""

import dataclasses
from typing import Any, Literal

Layer = Literal["query", "key", "value", "out", "up", "down"]
Dtype = Literal["float32", "bfloat16"]
Remat = Literal["none", "dots", "all"]

SYNC_RADIUS = 15  # bins of 40 ms that the sync curve and its loss reach either way


def _require_sizes(config: Any) -> None:
    """Every whole number is a size: at least 1, or 0 where it is a depth, and no absurd one."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if type(value) is int:
            least, most = (0, 200) if field.name.endswith("depth") else (1, 100_000)
            message = f"{field.name} must be {least} to {most}, not {value}"
            _require(least <= value <= most, config, message)


def _require(condition: bool, config: Any, message: str) -> None:
    if not condition:
        raise ValueError(f"{type(config).__name__}: {message}")


@dataclasses.dataclass(frozen=True)
class ViTConfig:
    """A CLIP vision tower, or a small one from scratch.

    Attributes:
        image_size: height and width of its input, pixels.
        patch_size: pixels a token covers in each direction.
        width: features of a token.
        depth: transformer blocks.
        heads: of each block's attention.
        mlp_ratio: hidden features of each block's MLP, over the width.
        activation: of the MLPs; CLIP's is `quick_gelu`.
        stem: `patch`, one linear map a patch (CLIP); `conv`, convolutions of
            stride 4, 2, 2, ... for small towers from scratch.
        pool: `class`, the class token (CLIP); `mean_max`, mean and maximum over the patches.
        residual: the tower sees the image's high-pass residual and its magnitude beside RGB.
    """

    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: int = 4
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    stem: Literal["patch", "conv"] = "patch"
    pool: Literal["class", "mean_max"] = "class"
    residual: bool = False

    def __post_init__(self) -> None:
        _require_sizes(self)
        _require(self.width % self.heads == 0, self, "width must be a multiple of heads")
        _require(self.image_size % self.patch_size == 0, self, "image_size must be k * patch_size")
        if self.stem == "conv":
            size = self.patch_size
            _require(size >= 4 and size & (size - 1) == 0, self, "conv stem: patch_size 4, 8, 16..")
            _require(self.width % 4 == 0, self, "conv stem: width must be a multiple of 4")


@dataclasses.dataclass(frozen=True)
class WhisperConfig:
    """A Whisper encoder, or a small one from scratch: log-mel in, 50 tokens a second out.

    Attributes:
        mels: mel bins of its input; 80, or 128 for large-v3.
        width: features of a token.
        depth: transformer blocks.
        heads: of each block's attention.
        mlp_ratio: hidden features of each block's MLP, over the width.
        max_tokens: longest input, in tokens of 20 ms; 1500 are 30 s.
        stem: `time`, Whisper's convolutions over time; `spectrogram`, convolutions over time and
            frequency for small towers from scratch.
    """

    mels: int = 80
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: int = 4
    max_tokens: int = 1500
    stem: Literal["time", "spectrogram"] = "time"

    def __post_init__(self) -> None:
        _require_sizes(self)
        _require(self.width % self.heads == 0, self, "width must be a multiple of heads")
        _require(self.width % 4 == 0, self, "width must be a multiple of 4")
        if self.stem == "spectrogram":
            _require(self.mels % 16 == 0, self, "spectrogram stem: mels must be a multiple of 16")
            _require(self.width % 8 == 0, self, "spectrogram stem: width must be a multiple of 8")


@dataclasses.dataclass(frozen=True)
class LipsConfig:
    """AV-HuBERT's visual encoder, or a small one from scratch: mouth crops at 25 Hz in and out.

    Attributes:
        image_size: height and width of its input, pixels.
        channels: of the first convolution and of ResNet-18's first stage; each of the other three
            doubles them.
        norm: after each convolution. `affine`, a scale and a shift a channel: BatchNorm by its
            running statistics, as published towers bring it. `image`, over each frame's whole map,
            for towers from scratch; statistics of the batch would let clips change one another.
        width: features of a frame.
        depth: transformer blocks.
        heads: of each block's attention.
        mlp_ratio: hidden features of each block's MLP, over the width.
        position_kernel: frames that the convolution sees which tells positions.
        position_groups: of its channels.
    """

    image_size: int = 88
    channels: int = 64
    norm: Literal["affine", "image"] = "affine"
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: int = 4
    position_kernel: int = 128
    position_groups: int = 16

    def __post_init__(self) -> None:
        _require_sizes(self)
        _require(self.width % self.heads == 0, self, "width must be a multiple of heads")
        groups = self.position_groups
        _require(self.width % groups == 0, self, "width must be a multiple of position_groups")


@dataclasses.dataclass(frozen=True)
class LoRAConfig:
    """Low-rank adapters of the tower that the modality-specific path uses; rank 0 is none.

    The update is alpha / rank * A B (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        rank: of A and B.
        alpha: strength of the update.
        targets: the linear layers of every block that have one.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[Layer, ...] = ("query", "value")

    def __post_init__(self) -> None:
        _require(self.rank >= 0, self, "rank must be 0 or more")

    def rank_of(self, layer: Layer) -> int:
        """The rank of this layer's adapter; 0 where it has none."""
        return self.rank if layer in self.targets else 0


@dataclasses.dataclass(frozen=True)
class CADConfig:
    """The whole detector.

    Attributes:
        align_tower: what the alignment path sees with: `image`, every frame on its own, by `video`
            (the paper); `lips`, mouth crops in their order, by `lips`.
        video, audio: the alignment path's towers; the paper: CLIP ViT-B/16 and Whisper-small.
        lips: its picture tower where `align_tower` says so; the specific path then has its own.
        specific_towers: modalities whose specific path has a tower of its own; the others (paper:
            both) make a second, LoRA-adapted pass through the alignment path's.
        specific_video, specific_audio: these towers.
        texture_statistics, voice_statistics: the specific path of the picture, of the sound, also
            judges statistics of the whole clip's spectrum, apart from its tower's features; see
            `models/texture.py`, `models/voice.py`.
        lora: adapters of the towers that the specific path uses.
        width, heads: of everything behind the towers.
        embedding: size of the alignment embeddings.
        temporal_depth, temporal_kernel: convolutions over time in the alignment projectors; they
            need consecutive alignment frames, and 0 leaves them out.
        centre_time: take each clip's temporal mean out of the alignment embeddings, which leaves
            the dynamics and hides the identity.
        cross_depth, fusion_depth: blocks of the cross-attention and of the fusion transformer.
        fusion: `transformer`, or `mean`: the naive fusion of the ablation.
        verdict: `fusion`, what the fusion says (the paper), or `joint`, its mean with the noisy-or
            of the heads that are taught; see `models/verdict.py`.
        streams: `both`, or one modality alone (ablation).
        compute_dtype: of matrix products; norms, softmax and outputs are float32 always.
        frozen_dtype: storage of the towers' weights that are not trained; their norms, and
            everything that is trained, are float32.
        remat: what of the towers' blocks is computed again in the backward pass instead of stored:
            `none` (the fastest), `dots` (all but the linear layers' products) or `all` (the least
            memory).
    """

    align_tower: Literal["image", "lips"] = "image"
    video: ViTConfig = dataclasses.field(default_factory=ViTConfig)
    audio: WhisperConfig = dataclasses.field(default_factory=WhisperConfig)
    lips: LipsConfig = dataclasses.field(default_factory=LipsConfig)
    specific_towers: tuple[Literal["video", "audio"], ...] = ()
    specific_video: ViTConfig = dataclasses.field(default_factory=ViTConfig)
    specific_audio: WhisperConfig = dataclasses.field(default_factory=WhisperConfig)
    texture_statistics: bool = False
    voice_statistics: bool = False
    lora: LoRAConfig = dataclasses.field(default_factory=LoRAConfig)
    width: int = 512
    heads: int = 8
    embedding: int = 256
    temporal_depth: int = 0
    temporal_kernel: int = 5
    centre_time: bool = False
    cross_depth: int = 1
    fusion_depth: int = 2
    fusion: Literal["transformer", "mean"] = "transformer"
    verdict: Literal["fusion", "joint"] = "fusion"
    streams: Literal["both", "video", "audio"] = "both"
    compute_dtype: Dtype = "float32"
    frozen_dtype: Dtype = "float32"
    remat: Remat = "none"

    def __post_init__(self) -> None:
        _require_sizes(self)
        _require(self.width % self.heads == 0, self, "width must be a multiple of heads")
        _require(self.width % 4 == 0, self, "width must be a multiple of 4")
        _require(self.temporal_kernel % 2 == 1, self, "temporal_kernel must be odd")
        _require(
            not self.texture_statistics or (self.own_video or self.video).image_size % 32 == 0,
            self,
            "texture_statistics needs an image_size that is a multiple of 32",
        )
        separate = self.align_tower == "image" or "video" in self.specific_towers
        _require(
            separate, self, "align_tower 'lips' needs 'video' in specific_towers: it sees no faces"
        )

    @property
    def align_video(self) -> ViTConfig | LipsConfig:
        """The alignment path's picture tower."""
        return self.video if self.align_tower == "image" else self.lips

    @property
    def own_video(self) -> ViTConfig | None:
        """The specific path's picture tower, where it has one of its own."""
        return self.specific_video if "video" in self.specific_towers else None

    @property
    def own_audio(self) -> WhisperConfig | None:
        """The specific path's sound tower, where it has one of its own."""
        return self.specific_audio if "audio" in self.specific_towers else None


VIT_PRESETS: dict[str, ViTConfig] = {  # Radford et al. 2021, arXiv 2103.00020
    "clip_vit_b_32": ViTConfig(patch_size=32),
    "clip_vit_b_16": ViTConfig(patch_size=16),
    "clip_vit_l_14": ViTConfig(patch_size=14, width=1024, depth=24, heads=16),
}

WHISPER_PRESETS: dict[str, WhisperConfig] = {  # Radford et al. 2022, arXiv 2212.04356
    "whisper_tiny": WhisperConfig(width=384, depth=4, heads=6),
    "whisper_base": WhisperConfig(width=512, depth=6, heads=8),
    "whisper_small": WhisperConfig(width=768, depth=12, heads=12),
    "whisper_medium": WhisperConfig(width=1024, depth=24, heads=16),
    "whisper_large_v3": WhisperConfig(mels=128, width=1280, depth=32, heads=20),
}

LIPS_PRESETS: dict[str, LipsConfig] = {  # Shi et al. 2022, arXiv 2201.02184
    "avhubert_base": LipsConfig(),
    "avhubert_large": LipsConfig(width=1024, depth=24, heads=16),
}
