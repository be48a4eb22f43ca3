"""Scoring corrupted clips: one compiled step, tables that are kept, other inputs refused."""

import dataclasses

import numpy as np
import pytest

from cad_jax.data import open_evaluation
from cad_jax.evaluation import robustness
from cad_jax.evaluation.robustness import Plan, score_corrupted, table_name
from cad_jax.run.placement import load_run
from cad_jax.run.scoring import make_scorer
from data_pipelines.corruptions.registry import KINDS
from data_pipelines.errors import UserError


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"kinds": ("h263",)}, "no corruption 'h263': did you mean 'h264'"),
        ({"severities": (6,)}, "h264: severity 6 is not one of 1 to 5"),
        ({"clips": -1}, "clips is -1"),
    ],
)
def test_a_wrong_plan_is_refused(asked, why):
    with pytest.raises(UserError, match=why):
        Plan(**asked)


def test_a_plan_names_every_table_once():
    plan = Plan()
    assert len(plan.corruptions) == 1 + 5 * len(KINDS)
    assert list(plan.corruptions)[:2] == ["clean", "h264-1"]
    delays = [view.milliseconds for view in plan.delays.values()]
    assert (min(delays), max(delays), len(delays)) == (-500, 500, 21)
    assert table_name("delay", -50) == "delay-0050"
    assert not Plan(kinds=("delay",)).corruptions
    assert not Plan(kinds=("jpeg",)).delays


@pytest.fixture
def run(finished_run):
    return load_run(finished_run[1])


@pytest.fixture
def source(run):
    return open_evaluation(run.config.data, "test")


@pytest.mark.slow
def test_tables_are_kept_and_one_step_serves_all(run, source, tmp_path, monkeypatch):
    plan = Plan(kinds=("contrast", "gain"), severities=(1, 5))
    tables = score_corrupted(run, source, plan, tmp_path)
    assert set(tables) == {"clean", "contrast-1", "contrast-5", "gain-1", "gain-5"}
    scorer = make_scorer(run.config, run.mesh)
    compiled = scorer._step._cache_size()
    plain = scorer.split(run.params, source)
    np.testing.assert_array_equal(tables["clean"].p_fake, plain["p_fake"].astype(np.float64))
    assert (tables["contrast-5"].p_video != tables["clean"].p_video).all()
    np.testing.assert_array_equal(tables["contrast-5"].p_audio, tables["clean"].p_audio)

    monkeypatch.setattr(robustness, "DELAYS_MS", (-200, 0, 200))
    made = []
    monkeypatch.setattr(type(scorer), "views", _recorded(type(scorer).views, made))
    more = dataclasses.replace(plan, kinds=("contrast", "blur", "delay"))
    tables = score_corrupted(run, source, more, tmp_path)
    assert made == [2, 3]  # blur's two severities, then three delays
    assert scorer._step._cache_size() == compiled
    late = tables["delay+0200"]
    assert (late.label_sync == 0).all()
    assert (late.label == 1).all()
    assert (late.sync_delay_ms == 200).all()
    kept = np.isin(tables["clean"].clip_id, tables["delay+0000"].clip_id)
    np.testing.assert_array_equal(tables["delay+0000"].p_mismatch, tables["clean"].p_mismatch[kept])
    made.clear()
    score_corrupted(run, source, more, tmp_path)
    assert made == []


@pytest.mark.slow
def test_scores_of_other_clips_are_not_mixed(run, source, tmp_path):
    plan = Plan(kinds=("gain",), severities=(1,), clips=4)
    tables = score_corrupted(run, source, plan, tmp_path)
    assert len(tables["gain-1"]) == 4
    with pytest.raises(UserError, match="scores of other corrupted clips: name another --output"):
        score_corrupted(run, source, dataclasses.replace(plan, clips=5), tmp_path)
    changed = run._replace(params={name: 2 * value for name, value in run.params.items()})
    with pytest.raises(UserError, match="scores of other parameters"):
        score_corrupted(changed, source, plan, tmp_path)
    (tmp_path / "made_of.json").write_text("{")
    with pytest.raises(UserError, match=r"made_of\.json is damaged"):
        score_corrupted(run, source, plan, tmp_path)


def _recorded(views, made):
    def record(self, params, source, asked, *rest):
        made.append(len(asked))
        return views(self, params, source, asked, *rest)

    return record
