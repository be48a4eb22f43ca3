"""A shortcut of files is found in the prepared set, and is gone once the cure is applied."""

import dataclasses
import wave

import numpy as np
import pytest

from data_pipelines.audit.probes import audit_rows
from data_pipelines.audit.shortcuts import shortcut_table
from data_pipelines.benchmarks.folder import clips
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.run import prepare

PLAIN = PrepareSettings()  # one window a file


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Forty voices in twins; before genuine ones 40 to 200 ms of silence."""
    root = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    rows = ["path,split,label_audio,source_ids"]
    for person in range(40):
        for label in (0, 1):
            silence = np.zeros(0 if label else rng.integers(640, 3200))
            level = np.repeat(rng.uniform(0.3, 1, 10), 2400)
            sound = np.concatenate([silence, level * rng.normal(0, 2000, level.size)])
            with wave.open(str(root / f"{person}-{label}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(sound.astype("<i2").tobytes())
            split = "train" if person < 25 else "test"
            rows.append(f"{person}-{label}.wav,{split},{label},person{person}")
    (root / "manifest.csv").write_text("\n".join(rows))
    return clips(root)


def start_probe(sources, settings, output):
    prepare(sources, settings, output)
    rows = {
        split: audit_rows(sample.clip for sample in TFRecordSource(output, split))
        for split in ("train", "test")
    }
    entries = shortcut_table(rows.pop("train"), rows, draws=100)
    return next(entry for entry in entries if entry["probe"] == "silence.start")


def test_trimming_ends_what_the_audit_finds(sources, tmp_path):
    before = start_probe(sources, PLAIN, tmp_path / "plain")
    assert before["train"]["auc"] > 0.95
    assert before["others"]["test"]["auc"] > 0.95
    assert before["others"]["test"]["suspicious"]
    trimmed = dataclasses.replace(PLAIN, trim_silence=True)
    after = start_probe(sources, trimmed, tmp_path / "trimmed")
    for figures in (after["train"], after["others"]["test"]):
        low, high = figures["interval"]
        assert low <= 0.5 <= high
        assert not figures["suspicious"]
