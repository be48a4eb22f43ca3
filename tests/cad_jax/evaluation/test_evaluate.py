"""Evaluation of a finished run: every clip gets a row, what it writes can be read back."""

import json

import numpy as np
import pytest

from cad_jax.config import ConfigError
from cad_jax.data import open_split
from cad_jax.evaluation.evaluate import cluster, evaluate, score_table
from cad_jax.evaluation.scores import read_scores
from cad_jax.inference import Detector


@pytest.fixture(scope="module")
def detector(finished_run):
    return Detector.load(finished_run[1])


def test_scores_and_metrics_are_written(finished_run, detector, tmp_path, capsys):
    config, _ = finished_run
    evaluate(detector, config, tmp_path)
    for split in ("val", "test"):
        table = read_scores(tmp_path / "evaluation" / f"scores-{split}.csv")
        source = open_split(config.data, split)
        assert table.clip_id.tolist() == [clip.clip_id for clip in source.summaries]
        assert np.isfinite(table.p_fake).all()
        report = json.loads((tmp_path / "evaluation" / f"metrics-{split}.json").read_text())
        assert report["clips"]["coverage"] == {
            "clips": len(source),
            "scored": len(source),
            "unlabelled": 0,
            "reasons": {},
        }
        assert 0 <= report["videos"]["overall"]["auc"] <= 1
    assert "test: videos" in capsys.readouterr().out


def test_another_model_is_refused(small_experiment, detector, tmp_path):
    other = small_experiment(model={"width": 64})
    with pytest.raises(ConfigError, match=r"config\.model\.width is 64, .* trained with 32"):
        evaluate(detector, other, tmp_path)


def test_validation_auc_is_that_of_the_table(finished_run, detector):
    config, _ = finished_run
    source = open_split(config.data, "val")
    scores = detector.scorer.split(detector.params, source)
    labels = np.array([clip.label for clip in source.summaries])
    fake, real = scores["p_fake"][labels == 1], scores["p_fake"][labels == 0]
    wins = (fake[:, None] > real).mean() + (fake[:, None] == real).mean() / 2
    assert detector.scorer.auc(detector.params, source) == pytest.approx(wins)


def test_a_clip_that_was_not_scored_keeps_its_row_and_says_why(finished_run, detector):
    config, _ = finished_run
    source = open_split(config.data, "test")
    scores = detector.scorer.split(detector.params, source)
    lost = {name: values[1:] for name, values in scores.items()}
    table = score_table(source.summaries, lost)
    assert len(table) == len(source)
    assert table.reason.tolist() == ["corrupt record"] + [""] * (len(source) - 1)
    assert np.isnan(table.p_fake[0])


def test_a_cluster_is_the_first_identity(finished_run):
    config, _ = finished_run
    clip = open_split(config.data, "test").summaries[0]
    assert cluster(clip) == clip.source_ids[0]
