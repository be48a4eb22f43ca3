"""Finds the reader for what a user names: a folder of Hugging Face's or CTranslate2's, or a file.

Owns which files are looked for and how kinds are told apart.
"""

import pathlib

from cad_jax.weights.ctranslate2_files import is_ctranslate2, read_ctranslate2
from cad_jax.weights.published import PublishedWeights, WeightsError
from cad_jax.weights.safetensors_files import read_safetensors
from cad_jax.weights.torch_files import read_torch

# In a folder, the first that is there.
NAMES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "model.bin",
    "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
)  # fmt: skip

_TORCH_STARTS = (b"PK", b"\x80\x02")  # a zip archive; a pickle, before torch 1.6


def open_published(path: pathlib.Path) -> PublishedWeights:
    """Reads the names of published weights; the arrays when they are asked for.

    Args:
        path: a `.safetensors` file, its `.index.json`, a torch file, CTranslate2's `model.bin`,
            or a folder with one of these.

    Raises:
        WeightsError: there is none, or it cannot be read (see the readers).
    """
    if path.is_dir():
        found = [path / name for name in NAMES if (path / name).exists()]
        if not found:
            raise WeightsError(f"no weights in {path}: looked for {', '.join(NAMES)}")
        path = found[0]
    if not path.is_file():
        raise WeightsError(f"no such file: {path}")
    if path.suffix in (".safetensors", ".json"):
        return read_safetensors(path)
    with path.open("rb") as file:
        start = file.read(2)
    if start in _TORCH_STARTS:
        return read_torch(path)
    if is_ctranslate2(path):
        return read_ctranslate2(path)
    raise WeightsError(f"{path} is neither safetensors, nor torch's, nor CTranslate2's")
