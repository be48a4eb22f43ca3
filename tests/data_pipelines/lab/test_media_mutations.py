"""Damaged files in the short form, and that nothing is lost from sight."""

import numpy as np
import pytest

from data_pipelines.lab.media_cases import CASES
from data_pipelines.lab.media_mutations import (
    MUTATIONS,
    MutationReport,
    prepare_mutations,
    write_mutations,
)
from scripts import check_media as script

CHEAP = [case for case in CASES if case.title in {
    "mp4: h264 aac", "avi: mpeg4 mp3", "ts: h264 aac", "mkv: ffv1 pcm", "mpg: mpeg2 mp2",
}]  # fmt: skip


def bytes_of(paths):
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.slow
def test_damaged_files_are_all_accounted_for(tmp_path):
    written = bytes_of(write_mutations(CHEAP, 20, 1, tmp_path / "a"))
    assert len(set(written.values())) == 20
    report = prepare_mutations(tmp_path / "a" / "mutated", tmp_path / "a" / "prepared")
    assert report.files == 20
    assert report.prepared > 3
    assert sum(report.skipped.values()) > 3
    assert report.faults == []
    assert bytes_of(write_mutations(CHEAP, 20, 1, tmp_path / "b")) == written
    others = bytes_of(write_mutations(CHEAP, 20, 2, tmp_path / "c"))
    assert not set(others.values()) & set(written.values())


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_damages(name):
    content, other = bytes(range(256)) * 40, bytes(5000)
    found = {MUTATIONS[name](content, other, np.random.default_rng(seed)) for seed in range(20)}
    assert len(found) > 15
    assert content not in found
    assert MUTATIONS[name](b"a", b"b", np.random.default_rng(0)) is not None


def test_what_is_wrong_is_said():
    right = MutationReport(3, 1, {"not_media": 1}, 1, 300.0)
    assert right.faults == []
    assert "3 mutated files: 1 prepared, 1 skipped (not_media 1), 1 passed over" in right.lines()[0]
    wrong = MutationReport(7, 1, {"crashed": 2, "timeout": 1}, 1, 5000.0)
    assert wrong.faults == ["2 crashed", "1 hung", "2 unaccounted for", "5000 MB, over 2000"]


@pytest.mark.slow
def test_the_command_damages(tmp_path, capsys):
    arguments = ["--only=mkv: ffv1 pcm", "--mutations=6", f"--keep={tmp_path}"]
    assert script.main(arguments) == 0
    assert "6 mutated files: " in capsys.readouterr().out
    assert len(list((tmp_path / "mutated").iterdir())) == 6
