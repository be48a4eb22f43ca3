"""Reads state dicts that torch saved, by `torch.load(weights_only=True)` alone.

Torch is imported only here and only when such a file is read. Knows nothing of what the arrays
mean. OpenAI's published CLIP files are TorchScript archives: programs, which `weights_only`
refuses; the same weights are published as safetensors.
"""

import functools
import pathlib
import zipfile
from typing import Any

import ml_dtypes
import numpy as np

from cad_jax.weights.published import PublishedWeights, WeightsError
from cad_jax.weights.safetensors_files import settings_beside

# Objects beside the arrays in fairseq's checkpoints; `weights_only` asks what stands for them.
_FAIRSEQ = (
    "argparse.Namespace",
    "fairseq.data.dictionary.Dictionary",
    "fairseq.data.encoders.sentencepiece_bpe.SentencepieceBPE",
    "sentencepiece.SentencePieceProcessor",
)
_SAVE_STATE_DICT = "torch.save(torch.jit.load(FILE, 'cpu').state_dict(), 'state_dict.pt')"


class _NotRead:
    """Stands for an object of another program's: takes what it is given and does nothing."""

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_torch(path: pathlib.Path) -> PublishedWeights:
    """A state dict; OpenAI's Whisper file: `{"dims": ..., "model_state_dict": ...}`; fairseq's.

    fairseq has its model under `model`, its settings under `cfg`, and objects of its own beside
    them, of which nothing is read.

    Raises:
        WeightsError: no torch, a TorchScript archive, a file that holds more than arrays, or none.
    """
    zipped = zipfile.is_zipfile(path)
    if zipped and _is_torchscript(path):
        raise WeightsError(
            f"{path} is a TorchScript archive, a program rather than arrays; take the same "
            f"model's safetensors, or, if you trust the file, save its arrays once with torch: "
            f"{_SAVE_STATE_DICT}"
        )
    content = _load(path, zipped)
    settings = settings_beside(path)
    if isinstance(content, dict) and isinstance(content.get("model_state_dict"), dict):
        dims = content.get("dims")
        settings = dims if isinstance(dims, dict) else settings
        content = content["model_state_dict"]
    elif isinstance(content, dict) and isinstance(content.get("model"), dict):
        stated = content.get("cfg")
        stated = stated.get("model") if isinstance(stated, dict) else None
        settings = stated if isinstance(stated, dict) else settings
        content = content["model"]
    if not isinstance(content, dict) or not content or not all(map(_is_array, content.items())):
        raise WeightsError(f"{path} is no state dict: it must map names to arrays")
    tensors = {name: functools.partial(_to_numpy, tensor) for name, tensor in content.items()}
    return PublishedWeights(path, (path,), tensors, settings)


def _is_torchscript(path: pathlib.Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{path} is damaged: {error}") from None


def _load(path: pathlib.Path, zipped: bool) -> Any:
    try:
        import torch  # type: ignore[import-not-found]
    except ImportError:
        raise WeightsError(
            f"{path} is a torch file, and torch is not installed; take the same model's "
            "safetensors, or: pip install torch"
        ) from None
    try:
        with torch.serialization.safe_globals([(_NotRead, name) for name in _FAIRSEQ]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # torch raises all kinds on what is not its own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path}: torch refuses it as weights_only: {reason}") from None


def _is_array(item: tuple[Any, Any]) -> bool:
    name, value = item
    return isinstance(name, str) and hasattr(value, "detach")


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().contiguous()
    if str(tensor.dtype) == "torch.bfloat16":  # which numpy has no name for
        import torch  # type: ignore[import-not-found]

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
