"""A score that is not a number is no missing modality."""

import jax.numpy as jnp
import pytest

from cad_jax.data import open_evaluation
from cad_jax.run.judging import faulty_scores
from cad_jax.run.placement import load_run
from cad_jax.run.scores import ScoreError
from cad_jax.run.scoring import make_scorer

pytestmark = pytest.mark.slow

NAN = float("nan")


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


def test_parameters_that_are_not_finite_are_an_error(finished_run, capsys):
    run = load_run(finished_run[1])
    source = open_evaluation(run.config.data, "val")
    scorer = make_scorer(run.config, run.mesh)
    assert len(scorer.split(run.params, source, "scoring")["p_fake"]) == len(source)
    assert capsys.readouterr().err == ""  # no bar where there is no terminal
    broken = {name: value * jnp.nan for name, value in run.params.items()}
    with pytest.raises(ScoreError, match=r"of 8 clips have scores that are not finite"):
        scorer.split(broken, source)
