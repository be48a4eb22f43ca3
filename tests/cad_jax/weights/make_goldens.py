"""Saves small reference models: their weights, an input, what transformers computes of it.

    python tests/cad_jax/weights/make_goldens.py

Run once, with the extra [parity]; a test runs it again and compares. With the saved files, parity
is tested where torch is not installed.
"""

import pathlib
import sys
import tempfile

import numpy as np

from cad_jax.lab.parity import make_reference, random_inputs, reference_outputs
from cad_jax.settings.model import ViTConfig, WhisperConfig
from cad_jax.weights.files import open_published

FOLDER = pathlib.Path(__file__).parent / "goldens"
TOWERS = {
    "clip": ViTConfig(image_size=24, patch_size=8, width=32, depth=2, heads=2),
    "whisper": WhisperConfig(mels=16, width=32, depth=2, heads=2, max_tokens=50),
}


def main(folder: pathlib.Path) -> None:
    for name, config in TOWERS.items():
        inputs = random_inputs(config, seed=0)
        reference = make_reference(config, seed=0)
        values = {"inputs": inputs}
        for output, value in reference_outputs(reference, config, inputs).items():
            values[f"outputs/{output}"] = value
        with tempfile.TemporaryDirectory() as folder_of_model:
            reference.save_pretrained(folder_of_model)
            published = open_published(pathlib.Path(folder_of_model))
            values["config"] = np.array(pathlib.Path(folder_of_model, "config.json").read_text())
            for tensor, read in published.tensors.items():
                if not tensor.startswith("decoder."):
                    values[f"weights/{tensor}"] = read()
        np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **values)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
