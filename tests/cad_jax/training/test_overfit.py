"""The model can learn: every head separates sixteen clips that it has seen."""

import pytest

from cad_jax.data import open_training
from cad_jax.evaluation.evaluate import score_table
from cad_jax.evaluation.figures import evaluate_table
from cad_jax.run.placement import load_run
from cad_jax.run.scoring import make_scorer
from cad_jax.training.loop import train


@pytest.mark.heavy
def test_sixteen_clips_are_learnt_by_every_head(small_experiment, tmp_path):
    config = small_experiment(
        data={
            "limit": 16,
            "batch_size": 16,
            "validation_split": "train",
            "augment": {},
            "clip": {"seconds": 2.0, "frames": 50, "image_size": 32},
        },
        train={"steps": 300, "log_every": 50, "evaluate_every": 300, "checkpoint_every": 300},
    )
    train(config, tmp_path)
    run, source = load_run(tmp_path), open_training(config.data)
    assert len(source) == 16
    scores = make_scorer(run.config, run.mesh).split(run.params, source)
    report = evaluate_table(score_table(source, scores), 0.5, 1)["overall"]
    assert {head: figures["auc"] for head, figures in report.items()} == dict.fromkeys(
        ("p_fake", "p_video", "p_audio", "p_mismatch"), 1.0
    )
