import dataclasses
import pathlib

import pytest

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation import spool as spool_module
from data_pipelines.preparation.spool import Outcome, Spool, claim, fingerprint
from data_pipelines.records.tfrecord import ShardSummary, read_index

SOURCE = ClipSource(pathlib.Path("nowhere/a.mp4"), "a.mp4", "clips", provenance={"x": "y"})


@pytest.fixture
def spool(tmp_path):
    claim(tmp_path, "mark")
    return Spool(tmp_path)


def test_records_beyond_a_parts_size_go_to_the_next(spool, monkeypatch):
    monkeypatch.setattr(spool_module, "PART_BYTES", 100)
    parts = spool.write_parts(7, [b"a" * 60, b"b" * 60, b"c" * 60])
    assert parts == (ShardSummary(2, 120), ShardSummary(1, 60))
    assert len(read_index(spool.part(7, 0))) == 2
    assert len(read_index(spool.part(7, 1))) == 1


def test_a_failing_clip_leaves_nothing_behind(spool, monkeypatch):
    monkeypatch.setattr(spool_module, "PART_BYTES", 1)

    def payloads():
        yield b"first"
        yield b"second"
        raise RuntimeError("third")

    with pytest.raises(RuntimeError):
        spool.write_parts(0, payloads())
    assert list(spool.folder.iterdir()) == []


def test_outcomes_come_back(spool):
    outcome = Outcome(parts=(ShardSummary(2, 120),), seconds=1.5, stages={"face": 0.5})
    spool.write_outcome(3, outcome)
    assert spool.read_outcome(3) == outcome
    assert spool.read_outcome(4) is None


@pytest.mark.parametrize(
    ("reason", "final"), [("timeout", False), ("crashed", False), ("no_face", True), ("", True)]
)
def test_what_may_have_been_the_machines_fault_is_not_final(reason, final):
    assert Outcome(reason=reason).final == final


def test_two_attempts_at_once_do_not_meet(spool):
    """A runner of a cluster may start a clip again while its first attempt goes on."""

    def payloads():
        yield b"a" * 60
        assert spool.write_parts(0, [b"a" * 60, b"b" * 60]) == (ShardSummary(2, 120),)
        whole = spool.part(0, 0).read_bytes()
        yield b"b" * 60
        assert spool.part(0, 0).read_bytes() == whole

    spool.write_parts(0, payloads())
    assert len(read_index(spool.part(0, 0))) == 2
    assert [path.name for path in spool.folder.iterdir()] == ["00000000-0000.tfrecord"]


def test_the_fingerprint_knows_settings_sources_and_sizes(tmp_path):
    settings = PrepareSettings()
    mark = fingerprint([SOURCE], settings)
    assert fingerprint([SOURCE], PrepareSettings()) == mark
    assert fingerprint([SOURCE], dataclasses.replace(settings, margin=0.4)) != mark
    assert fingerprint([dataclasses.replace(SOURCE, label_video=1)], settings) != mark
    assert fingerprint([SOURCE, SOURCE], settings) != mark
    present = dataclasses.replace(SOURCE, path=tmp_path / "a.mp4")
    present.path.write_bytes(b"1234")
    before = fingerprint([present], settings)
    present.path.write_bytes(b"12345")
    assert fingerprint([present], settings) != before


def test_the_fingerprint_knows_sound_files_and_frame_folders(tmp_path):
    frames = tmp_path / "a.mp4"
    frames.mkdir()
    source = dataclasses.replace(SOURCE, path=frames, audio_path=tmp_path / "a.wav")
    marks = [fingerprint([dataclasses.replace(source, audio_path=None)], PrepareSettings())]
    for file in (tmp_path / "other.wav", source.audio_path, frames / "001", frames / "002"):
        file.write_bytes(b"1234")
        marks.append(fingerprint([source], PrepareSettings()))
    assert len(set(marks)) == 5
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("a.mp4", "a.wav"):
        (tmp_path / name).rename(moved / name)
    source = dataclasses.replace(source, path=moved / "a.mp4", audio_path=moved / "a.wav")
    assert fingerprint([source], PrepareSettings()) == marks[-1]


def test_what_an_older_format_began_is_not_gone_on_with(tmp_path, monkeypatch):
    mark = fingerprint([SOURCE], PrepareSettings())
    monkeypatch.setattr(spool_module, "FORMAT", spool_module.FORMAT - 1)
    claim(tmp_path, fingerprint([SOURCE], PrepareSettings()))
    with pytest.raises(UserError, match="holds a preparation of another format of records"):
        claim(tmp_path, mark)


def test_an_output_of_something_else_is_refused(tmp_path):
    claim(tmp_path / "a", "mark")
    claim(tmp_path / "a", "mark")
    with pytest.raises(UserError, match="other settings or of another list of clips"):
        claim(tmp_path / "a", "another")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match="already holds a data set"):
        claim(tmp_path / "b", "mark")
    (tmp_path / "a" / "preparation.json").write_text("[")
    with pytest.raises(UserError, match="is damaged"):
        claim(tmp_path / "a", "mark")
