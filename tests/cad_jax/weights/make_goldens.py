"""Saves small reference models: their weights, an input, what their reference computes of it.

    python tests/cad_jax/weights/make_goldens.py

Run once, with the extra [parity] and what lips need besides (`cad_jax.lab.avhubert_reference`); a
test runs it again and compares. With the saved files, parity is tested where torch is not
installed. Names choose some of them.
"""

import json
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from cad_jax.lab.parity import make_reference, random_inputs, reference_outputs, save_reference
from cad_jax.settings.model import LipsConfig, ViTConfig, WhisperConfig
from cad_jax.weights.files import open_published

FOLDER = pathlib.Path(__file__).parent / "goldens"
TOWERS = {
    "clip": ViTConfig(image_size=24, patch_size=8, width=32, depth=2, heads=2),
    "whisper": WhisperConfig(mels=16, width=32, depth=2, heads=2, max_tokens=50),
    "lips": LipsConfig(
        image_size=16,
        channels=2,
        width=16,
        depth=2,
        heads=2,
        position_kernel=8,
        position_groups=2,
    ),
}


def main(folder: pathlib.Path, names: Sequence[str] = tuple(TOWERS)) -> None:
    for name in names:
        config = TOWERS[name]
        inputs = random_inputs(config, seed=0)
        reference = make_reference(config, seed=0)
        values = {"inputs": inputs}
        for output, value in reference_outputs(reference, config, inputs).items():
            values[f"outputs/{output}"] = value
        with tempfile.TemporaryDirectory() as folder_of_model:
            save_reference(reference, config, pathlib.Path(folder_of_model))
            published = open_published(pathlib.Path(folder_of_model))
            values["config"] = np.array(json.dumps(published.settings))
            for tensor, read in published.tensors.items():
                if not tensor.startswith("decoder."):
                    values[f"weights/{tensor}"] = read()
        np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **values)


if __name__ == "__main__":
    main(FOLDER, sys.argv[1:] or tuple(TOWERS))
