"""Planted shortcuts are found, on both sides; a clean set of the same size raises nothing."""

import json

import numpy as np
import pytest

from data_pipelines.audit.probes import audit_rows
from data_pipelines.audit.shortcuts import shortcut_lines, shortcut_table, shown, suspicious


def table(clips):
    rows = {split: audit_rows(own) for split, own in clips.items()}
    return shortcut_table(rows.pop("train"), rows, draws=200)


def late(clips, changed):
    """The same set, whose genuine sound begins after 50 to 100 ms of silence."""
    rng = np.random.default_rng(0)

    def quiet(clip):
        audio = clip.audio.copy()
        audio[: rng.integers(800, 1600) if clip.label == 0 else 0] = 0
        return changed(clip, audio=audio)

    return {split: [quiet(clip) for clip in own] for split, own in clips.items()}


@pytest.fixture(scope="module")
def silent(clean):
    return table(clean)


def test_a_clean_set_is_silent(silent):
    figures = [f for entry in silent for f in (entry["train"], entry["others"]["test"])]
    assert len(figures) > 100
    assert not any(f["suspicious"] for f in figures)
    # Of intervals of 95 % one in twenty misses by chance.
    missed = [f for f in figures if not f["interval"][0] <= 0.5 <= f["interval"][1]]
    assert len(missed) <= 0.1 * len(figures)


def test_planted_silence_is_found_on_both_sides(clean, changed):
    entries = table(late(clean, changed))
    found = {entry["probe"]: entry for entry in entries}
    for figures in (found["silence.start"]["train"], found["silence.start"]["others"]["test"]):
        assert figures["auc"] > 0.95
        assert figures["interval"][0] > 0.9
        assert figures["suspicious"]
    assert found["silence"]["joint"]
    assert found["silence"]["others"]["test"]["auc"] > 0.9
    suspects = {entry["probe"].split(".")[0] for entry in entries if suspicious(entry)}
    assert suspects <= {"silence", "level", "asymmetry", "polarity", "spectrum", "offset"}
    lines = shortcut_lines(entries)
    assert any(line.startswith("silence.start ") and line.count("*") == 2 for line in lines)


def test_a_shortcut_of_training_alone_does_not_hold(clean, changed):
    mixed = {"train": late(clean, changed)["train"], "test": clean["test"]}
    (entry,) = (entry for entry in table(mixed) if entry["probe"] == "silence.start")
    assert entry["train"]["suspicious"]
    assert not entry["others"]["test"]["suspicious"]


def test_facts_of_the_source_file_are_probed(clean, changed):
    def tagged(clip):
        facts = {
            "video_codec": "h264" if clip.label else "vp9",
            "width": str(640 + 64 * clip.label),
            "scan": "interlaced" if clip.label else "progressive",
            "audio_cut_ms": str(24 * clip.label),
            "audio_channels": str(1 + clip.label),
            "orientation": "1",
        }
        return changed(clip, provenance={**clip.provenance, **facts})

    entries = table({split: [tagged(clip) for clip in own] for split, own in clean.items()})
    found = {entry["probe"]: entry["others"]["test"]["auc"] for entry in entries}
    for probe in ("codec.video=h264", "codec.video=vp9", "codec", "resolution.width"):
        assert found[probe] == 1
    for probe in ("scan.type=interlaced", "mended.cut", "channels.audio"):
        assert found[probe] == 1
    assert found["orientation.exif=1"] == 0.5
    assert found["face.width"] < 0.65


def test_without_two_people_of_each_class_there_is_no_interval(clean):
    few = clean["test"][:2]
    (entry,) = (e for e in table({"train": clean["train"], "test": few}) if e["probe"] == "size")
    assert entry["others"]["test"]["interval"] == [None, None]
    assert not entry["others"]["test"]["suspicious"]
    assert shown(entry["others"]["test"]).endswith("(-)")


def test_the_table_is_json(silent):
    assert json.loads(json.dumps(silent, allow_nan=False)) == silent
