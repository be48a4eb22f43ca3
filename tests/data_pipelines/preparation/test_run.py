import csv
import dataclasses
import json
import pathlib

import pytest

from data_pipelines.benchmarks.folder import clips
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation import run
from data_pipelines.preparation.executors import prepare_one
from data_pipelines.preparation.run import prepare
from data_pipelines.preparation.spool import FORMAT, Spool, claim
from data_pipelines.records.lock import held
from data_pipelines.records.metadata import read_metadata, recorded_split
from data_pipelines.records.schema import decode_clip
from data_pipelines.records.tfrecord import read_payloads
from data_pipelines.splits.file import apply_split, make_split
from data_pipelines.splits.schemes import SplitOptions

pytestmark = pytest.mark.slow

SETTINGS = PrepareSettings(window_s=2.0, stride_s=2.0)
# Of the ten sounds of 1 to 5.5 s; ends of just under half a second are left out.
MEDIA_S = [1.0, 1.5, 2.0, 2.0, 3.0, 3.5, 4.0, 4.0, 5.0, 5.5]


def prepared(root, output, **options):
    options = {"max_skipped": 0.5, "shard_bytes": 400_000, **options}
    return prepare(clips(root), SETTINGS, output, **options)


def shard_bytes(output):
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.tfrecord-*"))}


def records(output):
    found = []
    for path in sorted(output.glob("*.tfrecord-*")):
        found += map(decode_clip, read_payloads(path))
    return found


def test_a_folder_becomes_a_set(sounds, tmp_path):
    report = prepared(sounds, tmp_path / "out")
    found = records(tmp_path / "out")
    assert len({record.clip_id for record in found}) == len(found) == report.windows
    assert {record.clip_id.split("#")[0] for record in found} == {
        f"sounds/clip{index}.wav" for index in range(10)
    }
    assert read_metadata(tmp_path / "out").name == "sounds"
    for split, lengths in read_metadata(tmp_path / "out").shard_lengths.items():
        assert sum(lengths) == sum(record.split == split for record in found)
    assert report.skipped == {"not_media": 1, "missing": 1}
    assert report.media_s == pytest.approx(sum(MEDIA_S), abs=0.1)
    assert len(list((tmp_path / "out").glob("*train.tfrecord*"))) > 1
    assert not (tmp_path / "out" / ".work").exists()


def test_what_is_skipped_is_named(sounds, tmp_path):
    report = prepared(sounds, tmp_path / "out")
    with (tmp_path / "out" / "skipped.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["clip"], row["reason"]) for row in rows] == [
        ("text.wav", "not_media"), ("gone.wav", "missing")
    ]  # fmt: skip
    text = "\n".join(report.lines())
    assert "prepared 10 of 12 clips" in text
    assert "x real time (decode" in text
    assert "skipped 2: missing 1, not_media 1" in text


def test_any_number_of_workers_gives_the_same_bytes(sounds, tmp_path):
    prepared(sounds, tmp_path / "one", workers=1)
    prepared(sounds, tmp_path / "three", workers=3)
    assert shard_bytes(tmp_path / "one") == shard_bytes(tmp_path / "three")


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(sounds, tmp_path):
    prepared(sounds, tmp_path / "whole")
    output = tmp_path / "resumed"
    sources = clips(sounds)
    claim(output, run.fingerprint(sources, SETTINGS))
    for clip in (0, 1, 5):  # that is clip0, clip1 and clip3: two bad ones lie between
        prepare_one(Spool(output), SETTINGS, (clip, sources[clip]))
    (Spool(output).folder / f".{Spool(output).part(6, 0).name}.partial").write_bytes(b"half")
    report = prepared(sounds, output)
    assert shard_bytes(output) == shard_bytes(tmp_path / "whole")
    done_before = MEDIA_S[0] + MEDIA_S[1] + MEDIA_S[3]
    assert report.media_s == pytest.approx(sum(MEDIA_S) - done_before, abs=0.1)


def test_a_finished_set_is_left_alone(sounds, tmp_path):
    """It may lie on a read-only disk: nothing is written, not even for a moment."""
    first = prepared(sounds, tmp_path / "out")
    files = [tmp_path / "out", *(tmp_path / "out").iterdir()]
    before = [path.stat().st_mtime_ns for path in files]
    again = prepared(sounds, tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in files] == before
    assert (again.windows, again.skipped, again.media_s) == (first.windows, first.skipped, 0.0)


def test_other_settings_are_refused(sounds, tmp_path):
    prepared(sounds, tmp_path / "out")
    with pytest.raises(UserError, match="with other settings or of another list"):
        prepare(clips(sounds), PrepareSettings(size=96), tmp_path / "out", max_skipped=0.5)


def test_too_many_losses_fail_and_nothing_is_thrown_away(sounds, tmp_path):
    with pytest.raises(UserError, match=r"2 of 12 clips were lost .*more than the 10% allowed"):
        prepared(sounds, tmp_path / "out", max_skipped=0.1)
    assert not (tmp_path / "out" / "dataset_info.json").exists()
    assert "gone.wav,missing" in (tmp_path / "out" / "skipped.csv").read_text()
    assert prepared(sounds, tmp_path / "out", max_skipped=0.2).media_s == 0.0  # all was done


def test_a_set_of_nothing_but_losses_fails(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "manifest.csv").write_text("path,split\ngone.mp4,train\n")
    with pytest.raises(UserError, match="1 of 1 clips were lost"):
        prepared(tmp_path / "in", tmp_path / "out", max_skipped=1.0)


def test_two_preparations_do_not_meet(sounds, tmp_path):
    (tmp_path / "out").mkdir()
    lock = held(tmp_path / "out" / run.LOCK_FILE)
    with lock, pytest.raises(UserError, match=r"another preparation .* by process \d+ on"):
        prepared(sounds, tmp_path / "out")
    prepared(sounds, tmp_path / "out")
    assert not (tmp_path / "out" / run.LOCK_FILE).exists()


def test_killed_while_it_says_how_the_set_was_made_the_set_is_whole_all_the_same(
    sounds, tmp_path, monkeypatch
):
    """The file is replaced, never written over."""
    whole = tmp_path / "whole"
    prepared(sounds, whole)

    def killed(*_, **__):
        raise KeyboardInterrupt

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_metadata", killed)
        with pytest.raises(KeyboardInterrupt):
            prepared(sounds, output)
    real = pathlib.Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(
            pathlib.Path,
            "replace",
            lambda self, to: killed() if to.name == "preparation.json" else real(self, to),
        )
        with pytest.raises(KeyboardInterrupt):
            prepared(sounds, output)
    prepared(sounds, output)
    assert shard_bytes(output) == shard_bytes(whole)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"parts": 3}', "cut part", "no part"])
def test_a_damaged_work_file_is_made_again(sounds, tmp_path, monkeypatch, damage):
    whole, output = tmp_path / "whole", tmp_path / "out"
    prepared(sounds, whole)
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_shards", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepared(sounds, output)
    part = Spool(output).part(1, 0)
    if "part" in damage:
        part.unlink() if damage == "no part" else part.write_bytes(part.read_bytes()[:-1])
        with pytest.raises(UserError, match="the same command prepares their clips again"):
            prepared(sounds, output)
    else:
        (output / ".work" / "00000001.json").write_text(damage)
    prepared(sounds, output)
    assert shard_bytes(output) == shard_bytes(whole)


def test_a_damaged_report_is_one_line(sounds, tmp_path):
    prepared(sounds, tmp_path / "out")
    file = tmp_path / "out" / "preparation.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps({"fingerprint": facts["fingerprint"]}))
    with pytest.raises(UserError, match=r"preparation\.json is damaged"):
        prepared(sounds, tmp_path / "out")


def test_names_must_be_unique_and_of_one_set(sounds, tmp_path):
    one = clips(sounds)[0]
    with pytest.raises(UserError, match=r"2 clips are called 'clip0\.wav'"):
        prepare([one, one], SETTINGS, tmp_path / "out")
    with pytest.raises(UserError, match="one data set at a time; got no clip"):
        prepare([], SETTINGS, tmp_path / "out")


def test_the_set_says_how_it_was_made(sounds, tmp_path):
    prepared(sounds, tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "preparation.json").read_text())
    assert facts["format"] == FORMAT
    assert facts["settings"]["window_s"] == 2.0
    assert facts["report"]["clips"] == 12
    assert facts["split"] is None
    assert recorded_split(tmp_path / "out") is None


def test_the_set_names_the_split_it_was_divided_by(sounds, tmp_path):
    sources = clips(sounds)
    split = make_split(sources, "kfold", SplitOptions(fold=2))
    divided = apply_split(split, sources)
    prepare(divided, SETTINGS, tmp_path / "out", max_skipped=0.5, split=split)
    stamp = recorded_split(tmp_path / "out")
    assert stamp == {"name": "kfold fold=2 folds=5 by=identity seed=0", "sha256": split.sha256}
    assert split.sha256[:12] in read_metadata(tmp_path / "out").description
    assert {
        record.clip_id.split("/")[1].split("#")[0]: record.split
        for record in records(tmp_path / "out")
    } == {k: s for k, s in split.sides.items() if k.startswith("clip")}


def test_clips_without_a_split_are_refused(sounds, tmp_path):
    undivided = [dataclasses.replace(clip, split="") for clip in clips(sounds)]
    with pytest.raises(UserError, match="12 clips have no split"):
        prepare(undivided, SETTINGS, tmp_path / "out")
