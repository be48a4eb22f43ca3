"""Evaluation of a finished run: every clip gets a row, what it writes can be read back."""

import csv
import dataclasses
import json
import shutil

import cv2
import jax
import numpy as np
import pytest

from cad_jax.data import open_evaluation
from cad_jax.evaluation.evaluate import clusters, evaluate, score_table
from cad_jax.run.placement import load_run
from cad_jax.run.scoring import make_scorer
from cad_jax.run.validation import validate
from cad_jax.settings.structure import ConfigError
from cad_jax.training.loop import train
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.tfrecord import write_shard
from data_pipelines.synthetic.drawn import drawn_clips

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(finished_run):
    return load_run(finished_run[1])


@pytest.fixture(scope="module")
def scorer(run):
    return make_scorer(run.config, run.mesh)


def read_png(path):
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)


def write_sounds(directory, original):
    """The validation and test split of a set, without the pictures."""
    directory.mkdir()
    shards = {}
    for split in ("val", "test"):
        clips = [without_picture(sample.clip) for sample in TFRecordSource(original, split)]
        path = directory / shard_name("sounds", split, 0, 1)
        shards[split] = [write_shard(path, [encode_clip(clip) for clip in clips])]
    write_metadata(directory, "sounds", shards)


def without_picture(clip):
    return dataclasses.replace(
        clip,
        frames=(),
        frame_times_ms=np.zeros(0),
        mouth_boxes=np.zeros((0, 4), np.float32),
        method_video="",
        label_video=-1,
        label_sync=-1,
    )


def test_scores_metrics_and_picture_are_written(finished_run, run, tmp_path, capsys):
    config, workdir = finished_run
    evaluate(run, config, tmp_path)
    for split in ("val", "test"):
        with (tmp_path / "evaluation" / f"scores-{split}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        source = open_evaluation(config.data, split)
        assert [row["clip_id"] for row in rows] == source.column("clip_id").tolist()
        assert all(0 <= float(row["p_fake"]) <= 1 for row in rows)
        report = json.loads((tmp_path / "evaluation" / f"metrics-{split}.json").read_text())
        assert report["clips"]["coverage"] == {
            "clips": len(source),
            "scored": len(source),
            "unlabelled": 0,
            "reasons": {},
        }
        assert 0 <= report["videos"]["overall"]["p_fake"]["auc"] <= 1
        assert report["clips"] == report["videos"]  # one clip a video
        assert report["split_file"] is None  # a set that was drawn, not divided
        assert set(report["videos"]["kinds"]) == {
            "blocks / none",
            "none / comb",
            "none / none, out of sync",
        }
        page = read_png(tmp_path / "evaluation" / f"report-{split}.png")
        assert page.std() > 20
    printed = capsys.readouterr().out
    assert "test: videos (8 clips)" in printed
    assert printed.splitlines()[-5:] == [
        f"checkpoint  {workdir / 'checkpoints' / str(run.step)}",
        f"scores      {tmp_path}/evaluation/scores-{{val,test}}.csv",
        f"metrics     {tmp_path}/evaluation/metrics-{{val,test}}.json",
        f"picture     {tmp_path}/evaluation/report-{{val,test}}.png",
        f"embeddings  {tmp_path}/evaluation/embeddings-{{val,test}}.npy",
    ]
    assert run.folder.is_dir()


def test_a_set_without_pictures_is_reported_on(finished_run, run, tmp_path):
    config, _ = finished_run
    write_sounds(tmp_path / "sounds", config.data.path)
    data = dataclasses.replace(config.data, path=str(tmp_path / "sounds"))
    evaluate(run, dataclasses.replace(config, data=data), tmp_path)
    report = json.loads((tmp_path / "evaluation" / "metrics-test.json").read_text())
    assert set(report["videos"]["kinds"]) == {"- / comb"}
    assert report["videos"]["overall"]["p_video"]["auc"] is None
    assert read_png(tmp_path / "evaluation" / "report-test.png").std() > 10


def test_results_name_the_split(finished_run, run, tmp_path, capsys):
    config, _ = finished_run
    copy = shutil.copytree(config.data.path, tmp_path / "set")
    stamp = {"name": "kfold fold=0", "sha256": "0123456789abcdef"}
    (copy / "preparation.json").write_text(json.dumps({"split": stamp}))
    data = dataclasses.replace(config.data, path=str(copy), test_splits=())
    evaluate(run, dataclasses.replace(config, data=data), tmp_path)
    report = json.loads((tmp_path / "evaluation" / "metrics-val.json").read_text())
    assert report["split_file"] == stamp
    assert "val: videos (8 clips, split kfold fold=0 0123456789ab)" in capsys.readouterr().out


def test_another_model_is_refused(small_experiment, run, tmp_path):
    other = small_experiment(model={"width": 64})
    with pytest.raises(ConfigError, match=r"config\.model\.width is 64, .* trained with 32"):
        evaluate(run, other, tmp_path)


def test_validation_auc_is_that_of_the_table(finished_run, run, scorer):
    config, _ = finished_run
    source = open_evaluation(config.data, "val")
    scores = scorer.split(run.params, source)
    labels = source.column("label")
    fake, real = scores["p_fake"][labels == 1], scores["p_fake"][labels == 0]
    wins = (fake[:, None] > real).mean() + (fake[:, None] == real).mean() / 2
    found = validate(run.config, run.mesh, run.params, source)
    assert found.of_sets == {"drawn": {"auc": pytest.approx(wins)}}


def test_a_clip_that_was_not_scored_keeps_its_row_and_says_why(finished_run, run, scorer):
    config, _ = finished_run
    source = open_evaluation(config.data, "test")
    scores = scorer.split(run.params, source)
    lost = {name: values[1:] for name, values in scores.items()}
    table = score_table(source, lost)
    assert len(table) == len(source)
    assert table.reason.tolist() == ["corrupt record"] + [""] * (len(source) - 1)
    assert np.isnan(table.p_fake[0])


def test_a_cluster_is_the_first_identity_else_the_original_else_the_file(tmp_path):
    clip = next(drawn_clips(1, seed=0, seconds=0.4))
    nobody = dataclasses.replace(clip, source_ids=())
    clips = [clip, nobody, dataclasses.replace(nobody, pair_id="", clip_id="drawn/a#b/c#40")]
    path = tmp_path / shard_name("drawn", "test", 0, 1)
    write_metadata(tmp_path, "drawn", {"test": [write_shard(path, map(encode_clip, clips))]})
    found = clusters(TFRecordSource(tmp_path, "test"))
    assert found.tolist() == ["head00", "drawn/00000", "drawn/a#b/c"]


def test_training_and_evaluation_compile_one_scoring_step(finished_run, tmp_path):
    config, _ = finished_run  # its training step is in the compile cache already
    make_scorer.cache_clear()
    traced = []

    def note(event: str, seconds: float, **facts: object) -> None:
        if event.endswith("jaxpr_trace_duration"):
            traced.append(facts["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(note)
    assert train(config, tmp_path)
    evaluate(load_run(tmp_path), config, tmp_path)
    assert traced.count("score") == 1
