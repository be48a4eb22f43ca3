"""Hangs, crashes and kills, the same way on this machine's processes and in a Beam pipeline."""

import csv
import importlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from data_pipelines.benchmarks.folder import clips
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation import executors
from data_pipelines.preparation.executors import beam_executor, prepare_one
from data_pipelines.preparation.run import prepare
from data_pipelines.preparation.spool import Outcome, Spool, claim

pytestmark = pytest.mark.slow

SETTINGS = PrepareSettings(window_s=2.0, stride_s=2.0)
REPOSITORY = pathlib.Path(__file__).parents[3]

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed"
)
runners = pytest.mark.parametrize(
    "beam_options",
    [pytest.param(None, id="local"), pytest.param([], marks=needs_beam, id="beam")],
)

# Spawned processes import this; in the process of the test its clips are like any other.
PLANTED = """
import multiprocessing, os, time
from data_pipelines.benchmarks.base import ClipSource

class Hanging(ClipSource):
    def __getattribute__(self, name):
        if name == "path" and multiprocessing.parent_process() is not None:
            time.sleep(3600)
        return super().__getattribute__(name)

class Crashing(ClipSource):
    def __getattribute__(self, name):
        if name == "path" and multiprocessing.parent_process() is not None:
            os.abort()
        return super().__getattribute__(name)
"""
KILLED = """
import json, os, pathlib, signal, sys
from data_pipelines.benchmarks.folder import clips
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation import shards
from data_pipelines.preparation.run import prepare

def concatenate_one(path, *parts):
    if list(path.parent.glob("*.tfrecord-*")):
        os.kill(os.getpid(), signal.SIGKILL)
    concatenate(path, *parts)

if __name__ == "__main__":
    root, output, beam_options, die_while_sharding = sys.argv[1:]
    concatenate = shards._concatenate
    if json.loads(die_while_sharding):
        shards._concatenate = concatenate_one
    prepare(
        clips(pathlib.Path(root)),
        PrepareSettings(window_s=2.0, stride_s=2.0),
        pathlib.Path(output),
        max_skipped=0.5,
        shard_bytes=400_000,
        beam_options=json.loads(beam_options),
    )
"""


def prepared(sources, output, **options):
    options = {"max_skipped": 0.5, "shard_bytes": 400_000, **options}
    return prepare(sources, SETTINGS, output, **options)


def shard_bytes(output):
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.tfrecord-*"))}


@pytest.fixture
def whole(sounds, tmp_path):
    """The shards of a run that nothing disturbed."""
    prepared(clips(sounds), tmp_path / "whole")
    return shard_bytes(tmp_path / "whole")


@needs_beam
def test_a_pipeline_writes_the_same_bytes(sounds, tmp_path, whole, monkeypatch):
    monkeypatch.setattr(executors, "GROUP", 5)  # of twelve clips: an incomplete one too
    report = prepared(clips(sounds), tmp_path / "beam", workers=2, beam_options=[])
    assert shard_bytes(tmp_path / "beam") == whole
    local = json.loads((tmp_path / "whole" / "preparation.json").read_bytes())["report"]
    assert (report.clips, report.windows, report.shards) == (12, local["windows"], local["shards"])
    assert report.skipped == {"not_media": 1, "missing": 1}
    assert report.media_s == local["media_s"]
    assert not (tmp_path / "beam" / ".work").exists()


@needs_beam
def test_a_pipeline_takes_relative_paths_and_options(sounds, tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--direct_running_mode=in_memory", "--job_name=clips"]
    prepared(clips(pathlib.Path("sounds")), pathlib.Path("beam"), beam_options=options)
    assert shard_bytes(tmp_path / "beam") == whole


@runners
def test_a_hanging_and_a_crashing_clip_are_named_and_the_rest_is_done(
    sounds, tmp_path, whole, monkeypatch, beam_options
):
    (tmp_path / "planted_clips.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(tmp_path)
    planted = importlib.import_module("planted_clips")
    sources = clips(sounds)
    bad = [*sources]
    bad[1] = planted.Hanging(**vars(sources[1]))
    bad[4] = planted.Crashing(**vars(sources[4]))
    options = {"beam_options": beam_options, "timeout_s": 15.0, "max_skipped": 0.2}
    output = tmp_path / "out"
    with pytest.raises(UserError, match=r"4 of 12 clips were lost .*crashed 1.* timeout 1"):
        prepared(bad, output, **options)
    with (output / "skipped.csv").open() as file:
        named = {row["clip"]: (row["reason"], row["detail"]) for row in csv.DictReader(file)}
    assert named[sources[1].key] == ("timeout", "stopped after 15 s")
    assert named[sources[4].key] == ("crashed", "its process was ended by SIGABRT")
    assert {named[key][0] for key in ("text.wav", "gone.wav")} == {"not_media", "missing"}
    again = prepared(sources, output, **options)  # both are tried again, and nothing else
    assert again.media_s == pytest.approx(1.5 + 2.5, abs=0.6)
    assert shard_bytes(output) == whole


@runners
@pytest.mark.parametrize("die_while_sharding", [False, True])
def test_kill_9_and_again_gives_the_same_bytes(
    sounds, tmp_path, whole, beam_options, die_while_sharding
):
    output, script = tmp_path / "killed", tmp_path / "script.py"
    script.write_text(KILLED)
    command = [sys.executable, script, sounds, output]
    command += [json.dumps(beam_options), json.dumps(die_while_sharding)]
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )
    if not die_while_sharding:
        deadline = time.monotonic() + 60
        while len(list((output / ".work").glob("0*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert not (output / "dataset_info.json").exists()
    assert len(shard_bytes(output)) == die_while_sharding
    prepared(clips(sounds), output, beam_options=beam_options)
    assert shard_bytes(output) == whole


@needs_beam
def test_a_pipeline_that_fails_is_one_line(sounds, tmp_path, monkeypatch):
    def full(spool, settings, timeout_s, tasks):
        raise OSError(28, "cannot write x: No space left on device")

    monkeypatch.setattr(executors, "_prepare_group", full)
    with pytest.raises(UserError, match=r"pipeline failed: .*No space left on device") as caught:
        prepared(clips(sounds), tmp_path / "out", beam_options=[])
    assert "\n" not in str(caught.value)


@needs_beam
def test_workers_that_write_elsewhere_are_noticed(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "_prepare_group", lambda spool, settings, timeout_s, tasks: None)
    with pytest.raises(UserError, match=r"without clip0\.wav: do its workers see .*out\? .* share"):
        prepared(clips(sounds), tmp_path / "out", beam_options=[])


def test_a_missing_beam_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"Apache Beam is not installed; it is the extra \[beam\]"):
        beam_executor(1, 1.0, [])


def test_whatever_one_file_provokes_the_others_go_on(sounds, tmp_path, monkeypatch):
    def explode(source, settings, clock):
        raise MemoryError("too much")
        yield

    monkeypatch.setattr(executors, "iterate_clips", explode)
    claim(tmp_path / "out", "mark")
    outcome = prepare_one(Spool(tmp_path / "out"), SETTINGS, (0, clips(sounds)[0]))
    assert outcome == Outcome(reason="crashed", detail="MemoryError: too much")


def test_a_full_disk_ends_the_run_and_leaves_no_half_file(sounds, tmp_path, monkeypatch):
    def full(path, payloads):
        raise OSError(28, f"cannot write {path}: No space left on device")

    claim(tmp_path / "out", "mark")
    spool = Spool(tmp_path / "out")
    monkeypatch.setattr("data_pipelines.preparation.spool.write_shard", full)
    with pytest.raises(OSError, match="No space left on device"):
        prepare_one(spool, SETTINGS, (0, clips(sounds)[0]))
    assert list(spool.folder.iterdir()) == []
