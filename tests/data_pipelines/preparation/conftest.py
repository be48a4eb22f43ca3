"""A folder of sound files, which prepare in milliseconds, to test everything around the face."""

import pathlib
import wave

import numpy as np
import pytest


def _write_wav(path: pathlib.Path, seconds: float, seed: int = 0) -> pathlib.Path:
    noise = np.random.default_rng(seed).integers(-9000, 9000, int(seconds * 16_000), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(noise.tobytes())
    return path


@pytest.fixture
def sounds(tmp_path: pathlib.Path) -> pathlib.Path:
    """Ten sound files of 1 to 5.5 s, a text file among them and one that is not there."""
    root = tmp_path / "sounds"
    root.mkdir()
    rows = ["path,split,label_audio"]
    for index in range(10):
        split = ("train", "train", "train", "val", "test")[index % 5]
        rows.append(f"clip{index}.wav,{split},{index % 2}")
        _write_wav(root / f"clip{index}.wav", 1 + index / 2, seed=index)
    (root / "text.wav").write_text("no sound at all")
    rows[3:3] = ["text.wav,train,1", "gone.wav,val,0"]
    (root / "manifest.csv").write_text("\n".join(rows))
    return root
