"""Which figure chooses a checkpoint, by stage, and what is logged."""

import json
import math

import pytest

from cad_jax.data import open_evaluation
from cad_jax.run.checkpoint import Checkpoints
from cad_jax.run.validation import Validation, validated

NAN = float("nan")


def validation(**aucs):
    return Validation("auc", {name: {"auc": value, "clips": 4.0} for name, value in aucs.items()})


def test_the_mean_of_data_sets_that_can_tell_chooses():
    assert validation(a=0.9, b=0.5, genuine_only=NAN).auc == pytest.approx(0.7)
    assert validation(a=0.9).auc == 0.9
    assert math.isnan(validation(genuine_only=NAN).auc)


def test_several_data_sets_are_logged_apart():
    assert validation(a=0.9).scalars() == {"validation/auc": 0.9, "validation/clips": 4.0}
    scalars = validation(a=0.9, b=0.5).scalars()
    assert scalars["validation/auc"] == pytest.approx(0.7)
    assert (scalars["validation/auc/a"], scalars["validation/auc/b"]) == (0.9, 0.5)


def test_a_detector_is_validated_on_every_clip(small_experiment):
    config = small_experiment()
    source = open_evaluation(config.data, "val")
    assert validated(config, source) is source


@pytest.mark.slow
def test_a_pretraining_is_chosen_by_sync_auc(finished_pretraining):
    _, workdir = finished_pretraining
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    found = {row["step"]: row for row in lines if "validation/sync_auc" in row}
    assert list(found) == [2, 4]
    aucs = {step: row["validation/sync_auc"] for step, row in found.items()}
    checkpoints = Checkpoints(workdir, read_only=True)
    assert checkpoints.read_progress(4).best_auc == max(aucs.values())
    assert aucs[checkpoints.best_step()] == max(aucs.values())
    for row in found.values():
        assert 0 <= row["validation/sync_accuracy"] <= 1
        assert 0 <= row["validation/retrieval"] <= 1
