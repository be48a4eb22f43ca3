"""AV-HuBERT by others, with random weights: what our lip tower is measured against.

ESPnet's copy of the model (`espnet2.asr.encoder.avhubert_encoder`, Apache 2.0) over fairseq's
transformer layer as S3PRL ships it (MIT, copied unchanged). Both ask for more packages than the two
modules need, hence: pip install --no-deps espnet s3prl typeguard, beside the extra `[parity]`.
"""

import contextlib
import pathlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from cad_jax.models.lips import GREY_MEAN, GREY_STD
from cad_jax.settings.model import LipsConfig
from cad_jax.weights.published import WeightsError

AUDIO_FEATURES = 104  # of the published checkpoints' sound side, which nothing here hears


def make_avhubert(config: LipsConfig, seed: int) -> Any:
    """The model with random weights of which none can hide a mistake.

    Raises:
        WeightsError: the packages are not installed.
    """
    import torch  # type: ignore[import-not-found]

    torch.manual_seed(seed)
    with _fairseq():
        from espnet2.asr.encoder import avhubert_encoder  # type: ignore[import-not-found]

        model = avhubert_encoder.AVHubertModel(
            avhubert_encoder.AVHubertConfig(
                encoder_embed_dim=config.width,
                encoder_ffn_embed_dim=config.width * config.mlp_ratio,
                encoder_layers=config.depth,
                encoder_attention_heads=config.heads,
                conv_pos=config.position_kernel,
                conv_pos_groups=config.position_groups,
                audio_feat_dim=AUDIO_FEATURES,
                layer_norm_first=True,
            )
        )
    _narrow(model.feature_extractor_video, avhubert_encoder, config)
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if value.dtype.is_floating_point:
                value.copy_(_random(name, torch.randn_like(value)))
    return model.eval()


def save_avhubert(model: Any, config: LipsConfig, folder: pathlib.Path) -> None:
    """Writes what matters of a fairseq checkpoint, as a pretraining leaves it."""
    import torch  # type: ignore[import-not-found]

    state = model.state_dict() | {"label_embs_concat": torch.zeros(4, 8)}
    stated = {"encoder_attention_heads": config.heads, "layer_norm_first": True}
    folder.mkdir(exist_ok=True)
    torch.save({"args": None, "cfg": {"model": stated}, "model": state}, folder / "model.bin")


def avhubert_outputs(model: Any, frames: np.ndarray) -> dict[str, np.ndarray]:
    """What it makes of mouth crops alone, [b k d] float32, zeros where a frame is all zeros.

    Args:
        model: in any dtype.
        frames: [b k h w 3] uint8; all zeros where there is none.
    """
    import torch  # type: ignore[import-not-found]

    exists = np.any(frames, axis=(2, 3, 4))
    grey = np.stack([[cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in row] for row in frames])
    video = np.where(exists[..., None, None], (grey / 255.0 - GREY_MEAN) / GREY_STD, 0.0)
    dtype = next(model.parameters()).dtype
    source = {"audio": None, "video": torch.from_numpy(video[:, None]).to(dtype)}
    with torch.inference_mode():
        tokens, _ = model.extract_finetune(source, padding_mask=torch.from_numpy(~exists))
    return {"tokens": np.where(exists[..., None], tokens.float().numpy(), 0.0)}


def _narrow(video: Any, avhubert_encoder: Any, config: LipsConfig) -> None:
    """ResNet-18 of other channels than AV-HuBERT's 64, of the same classes."""
    from torch import nn  # type: ignore[import-not-found]

    channels, stem, trunk = config.channels, video.resnet.frontend3D, video.resnet.trunk
    first = stem[0]
    if channels == first.out_channels:
        return
    stem[0] = nn.Conv3d(1, channels, first.kernel_size, first.stride, first.padding, bias=False)
    stem[1], stem[2] = nn.BatchNorm3d(channels), nn.PReLU(channels)
    trunk.inplanes = channels
    for n in range(4):
        stage = (avhubert_encoder.BasicBlock, channels * 2**n, 2, min(n + 1, 2))
        setattr(trunk, f"layer{n + 1}", trunk._make_layer(*stage))
    video.proj = nn.Linear(8 * channels, config.width)


def _random(name: str, noise: Any) -> Any:
    if name.endswith(("running_var", "weight_g")):
        return 1 + 0.5 * noise.tanh()
    if name.endswith(("bias", "running_mean")):
        return 0.1 * noise
    if noise.ndim == 1:  # of norms; of PReLUs
        prelu = ".relu" in name or "frontend3D.2" in name
        return (0.25 if prelu else 1) + 0.1 * noise
    return noise / noise[0].numel() ** 0.5


@contextlib.contextmanager
def _fairseq() -> Iterator[None]:
    """What ESPnet imports of fairseq, which runs on no recent Python, is S3PRL's copy of it."""
    before = set(sys.modules)
    try:
        from s3prl.upstream.wav2vec2 import wav2vec2_model  # type: ignore[import-not-found]

        wanted = {
            "fairseq.modules": {"LayerNorm": wav2vec2_model.LayerNorm},
            "fairseq.modules.transformer_sentence_encoder": {
                "init_bert_params": lambda module: None
            },
            "fairseq.models.wav2vec.wav2vec2": {
                "TransformerSentenceEncoderLayer": wav2vec2_model.TransformerSentenceEncoderLayer
            },
        }
        for name, members in wanted.items():
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                parent = ".".join(parts[:depth])
                sys.modules.setdefault(parent, types.ModuleType(parent))
            vars(sys.modules[name]).update(members)
        yield
    except ImportError as error:
        raise WeightsError(
            f"{error}; the reference needs: pip install --no-deps espnet s3prl typeguard"
        ) from None
    finally:
        for name in sys.modules.keys() - before:
            if name.split(".")[0] == "fairseq":
                del sys.modules[name]
