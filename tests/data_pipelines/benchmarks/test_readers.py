"""What holds for every benchmark: the truth table, before and after preparation."""

import csv
import pathlib
import re
import runpy

import pytest

from data_pipelines.benchmarks.registry import READERS
from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import read_metadata

PREPARE = pathlib.Path(__file__).parents[3] / "scripts" / "prepare.py"


def read(tree):
    return READERS[tree.name](tree.root, **tree.options)


def test_every_reader_has_a_benchmark_test():
    trees = pathlib.Path(__file__).parent / "trees"
    assert {path.name for path in trees.iterdir()} == set(READERS) - {"folder"}


def test_a_reader_gives_what_the_truth_table_says(make_tree, benchmark):
    tree = make_tree(benchmark)
    clips = {clip.key: clip for clip in read(tree)}
    assert set(clips) == set(tree.truth)
    top = tree.root.parent
    for key, row in tree.truth.items():
        clip = clips[key]
        sound = str(clip.audio_path.relative_to(top)) if clip.audio_path else ""
        assert (str(clip.path.relative_to(top)), sound) == (row.path, row.sound)
        assert clip.dataset == benchmark
        assert (clip.split, clip.pair_id) == (row.split, row.pair_id), key
        assert ";".join(clip.source_ids) == row.source_ids, key
        labels = clip.label_video, clip.label_audio, clip.label_sync
        assert labels == (int(row.video), int(row.audio), int(row.sync)), key
        assert (clip.method_video, clip.method_audio) == (row.method_video, row.method_audio), key
        assert clip.expects_video


def test_each_clip_is_given_once_and_always_in_the_same_order(make_tree, benchmark):
    tree = make_tree(benchmark)
    keys = [clip.key for clip in read(tree)]
    assert len(set(keys)) == len(keys) == len(tree.truth)
    assert [clip.key for clip in read(tree)] == keys


def test_readers_leave_the_root_as_it_is(make_tree, benchmark):
    tree = make_tree(benchmark)
    before = {path: path.stat().st_mtime_ns for path in tree.root.parent.rglob("*")}
    read(tree)
    assert {path: path.stat().st_mtime_ns for path in tree.root.parent.rglob("*")} == before


def test_a_missing_root_is_one_line_that_says_what_was_expected_and_where_it_is_asked_for(
    tmp_path, benchmark
):
    with pytest.raises(UserError) as caught:
        READERS[benchmark](tmp_path / "nowhere")
    message = str(caught.value)
    assert message.startswith(f"no {tmp_path / 'nowhere'}/")
    assert "; expected " in message
    assert re.search("asked for (with|at) ", message)
    assert "\n" not in message
    assert "http" not in message


def test_preparation_keeps_what_the_reader_says(prepared_tree, benchmark):
    prepared = prepared_tree(benchmark)
    splits = read_metadata(prepared.directory).shard_lengths
    records = {
        sample.clip.provenance["source"]: sample.clip
        for source in (TFRecordSource(prepared.directory, split) for split in splits)
        for sample in (source[index] for index in range(len(source)))
    }
    usable = {key: row for key, row in prepared.tree.truth.items() if not row.lost}
    stated = {row.split for row in prepared.tree.truth.values()}
    assert set(records) == set(usable)
    for key, row in usable.items():
        record = records[key]
        heard = row.media in ("av", "two") or bool(row.sound)
        assert (len(record.frames), record.has_audio) == (20, heard), key
        assert record.clip_id == f"{benchmark}/{key}#0"
        assert (record.dataset, record.pair_id) == (benchmark, row.pair_id)
        if row.split == "test" or "val" in stated:  # else validation is carved out of train
            assert record.split == row.split or not row.split
        assert ";".join(record.source_ids) == row.source_ids
        assert record.label_video == int(row.video), key
        assert record.label_audio == (int(row.audio) if heard else -1), key
        assert record.label_sync == (int(row.sync) if heard else -1), key
        assert (record.method_video, record.method_audio) == (row.method_video, row.method_audio)


def test_what_is_lost_is_named_with_its_reason(prepared_tree, benchmark):
    prepared = prepared_tree(benchmark)
    with (prepared.directory / "skipped.csv").open(encoding="utf-8") as file:
        skipped = {row["clip"]: row["reason"] for row in csv.DictReader(file)}
    lost = {key: row.lost for key, row in prepared.tree.truth.items() if row.lost}
    assert skipped == lost
    assert lost


def test_a_copy_with_too_much_missing_fails(make_tree, tmp_path, capsys):
    tree = make_tree("lavdf")
    for path in tree.root.rglob("*.mp4"):
        path.unlink()
    arguments = ["--reader", "lavdf", "--root", str(tree.root), "--output", str(tmp_path / "out")]
    main = runpy.run_path(str(PREPARE))["main"]
    assert main([*arguments, "--workers", "1", "--max-skipped", "0.9"]) == 1
    error = capsys.readouterr().err
    assert "8 of 8 clips were lost (missing 8), more than the 90% allowed" in error
