"""Which figure chooses a checkpoint; a score that is not a number is no missing modality."""

import math

import jax.numpy as jnp
import pytest

from cad_jax.data import open_evaluation
from cad_jax.run.placement import load_run
from cad_jax.run.scoring import (
    ScoreError,
    faulty_scores,
    make_scorer,
    mean_auc,
    validation_scalars,
)

pytestmark = pytest.mark.slow

NAN = float("nan")


def test_the_mean_of_data_sets_that_have_both_classes():
    assert mean_auc({"a": 0.9, "b": 0.5, "genuine only": NAN}) == pytest.approx(0.7)
    assert mean_auc({"a": 0.9}) == 0.9
    assert math.isnan(mean_auc({"genuine only": NAN}))


def test_several_data_sets_are_logged_apart():
    assert validation_scalars({"a": 0.9}) == {"validation/auc": 0.9}
    scalars = validation_scalars({"a": 0.9, "b": 0.5})
    assert scalars.pop("validation/auc") == pytest.approx(0.7)
    assert scalars == {"validation/auc/a": 0.9, "validation/auc/b": 0.5}


def test_nan_is_a_fault_only_where_the_modality_is_there():
    rows = [  # has video, has audio, p_video, p_audio, p_mismatch, faulty
        (True, True, 0.5, 0.5, 0.5, False),
        (True, False, 0.5, NAN, NAN, False),
        (True, True, 0.5, NAN, 0.5, True),
        (True, False, NAN, NAN, NAN, True),
        (True, True, 0.5, 0.5, NAN, True),
        (False, True, NAN, 0.5, NAN, False),
    ]
    video, audio, p_video, p_audio, p_mismatch, expected = map(jnp.asarray, zip(*rows, strict=True))
    scores = {"p_video": p_video, "p_audio": p_audio, "p_mismatch": p_mismatch}
    batch = {"has_video": video, "has_audio": audio}
    known = jnp.full(len(rows), 0.5)
    assert (faulty_scores(scores | {"p_fake": known}, batch) == expected).all()
    assert faulty_scores(scores | {"p_fake": known * NAN}, batch).all()


def test_parameters_that_are_not_finite_are_an_error(finished_run):
    run = load_run(finished_run[1])
    source = open_evaluation(run.config.data, "val")
    scorer = make_scorer(run.config, run.mesh)
    assert len(scorer.split(run.params, source)["p_fake"]) == len(source)
    broken = {name: value * jnp.nan for name, value in run.params.items()}
    with pytest.raises(ScoreError, match=r"of 8 clips have scores that are not finite"):
        scorer.split(broken, source)
