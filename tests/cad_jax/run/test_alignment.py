"""The figures of a pretraining, from scores written by hand and on a real run."""

import dataclasses

import numpy as np
import pytest

from cad_jax.data import open_evaluation
from cad_jax.parallel.mesh import make_mesh
from cad_jax.run import alignment
from cad_jax.run.alignment import alignment_figures, in_sync_clips
from cad_jax.run.placement import load_run
from cad_jax.settings.structure import structure
from data_pipelines.errors import UserError
from data_pipelines.loading.settings import ClipSpec


@pytest.fixture
def validation(small_experiment):
    config = small_experiment()
    return config, open_evaluation(config.data, "val")


class Written:
    """Stands in for a scorer: what it says is written down, by whether the sound is shifted."""

    def __init__(self, here, moved=None):
        self.here, self.moved = here, moved

    def split(self, params, source, view=None, between=None):
        return self.moved if view else self.here


def scores(p_mismatch, offsets, heard, rows):
    return {
        "p_mismatch": np.float32(p_mismatch),
        "best_offset_ms": np.float32(offsets),
        "heard": np.array(heard),
        "clip_index": np.array(rows),
    }


def test_figures_of_scores_written_by_hand(validation, monkeypatch):
    config, _ = validation
    clips = open_evaluation(config.data, "train").subset([0, 4, 8, 12])  # of four originals
    here = scores([0.1, 0.2, 0.6, 0.9], [0, -40, 80, 0], [True, True, True, False], range(4))
    moved = scores([0.5, 0.7, 0.9], [0, 0, 0], [True, True, False], [0, 2, 3])  # 1: no room
    axes = np.eye(4, dtype=np.float32)
    embeddings = {
        "video": axes[[0, 1, 2, 3]],
        "audio": axes[[0, 2, 2, 3]],  # clip 1 sounds like clip 2, whose own is then a tie
        "heard": np.array([True, True, True, False]),
        "clip_index": np.arange(4),
    }
    written = alignment._Scorers(Written(here, moved), Written(embeddings))
    monkeypatch.setattr(alignment, "_scorers", lambda config, mesh: written)
    found = alignment_figures(config, make_mesh(), {}, clips)
    assert found == {
        "sync_auc": pytest.approx(5 / 6),  # of 3 x 2 pairs only (0.6, 0.5) is the wrong way round
        "sync_accuracy": pytest.approx(2 / 3),
        "retrieval": pytest.approx(1 / 3),
        "clips": 3.0,
    }


def test_what_no_clip_defines_is_nan(validation, monkeypatch):
    config, source = validation
    clips = source.subset(range(2))
    silent = scores([0.1, 0.2], [0, 0], [False, False], range(2))
    nothing = {"video": np.zeros((2, 3)), "audio": np.zeros((2, 3))} | silent
    written = alignment._Scorers(Written(silent, silent), Written(nothing))
    monkeypatch.setattr(alignment, "_scorers", lambda config, mesh: written)
    found = alignment_figures(config, make_mesh(), {}, clips)
    assert found.pop("clips") == 0
    assert np.isnan([*found.values()]).all()


def test_only_genuine_clips_in_sync_are_judged(validation):
    config, source = validation
    clips = in_sync_clips(config, source)
    assert 0 < len(clips) < len(source)
    for name, value in {"label": 0, "label_sync": 1, "has_video": 1, "has_audio": 1}.items():
        assert (clips.column(name) == value).all(), name


def test_no_clip_to_judge_is_one_line(validation, small_experiment, silent_set):
    config, source = validation
    silent = open_evaluation(small_experiment(data={"path": str(silent_set)}).data, "val")
    with pytest.raises(UserError, match=r"no genuine clip with picture and sound in sync"):
        in_sync_clips(config, silent)
    long = structure(ClipSpec, {"seconds": 2.0, "frames": 5, "image_size": 32})
    full = dataclasses.replace(config, data=dataclasses.replace(config.data, clip=long))
    with pytest.raises(UserError, match=r"has room to shift its sound by 0\.2 s"):
        in_sync_clips(full, source)


@pytest.mark.slow
def test_figures_do_not_depend_on_the_batch(finished_pretraining):
    run = load_run(finished_pretraining[1])
    source = in_sync_clips(run.config, open_evaluation(run.config.data, "val"))
    larger = dataclasses.replace(run.config.evaluation, batch_size=16)
    config = dataclasses.replace(run.config, evaluation=larger)
    found = alignment_figures(run.config, run.mesh, run.params, source)
    assert found == pytest.approx(alignment_figures(config, run.mesh, run.params, source))
    assert found["clips"] == len(source)
