"""Which clips are shown, and that what is shown is what the detector saw."""

import dataclasses

import numpy as np
import pytest

from cad_jax.evaluation.evaluate import score_table
from cad_jax.evaluation.score_table import ScoreTable
from cad_jax.evaluation.strips import choose_clips, cut_strips
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.source import TFRecordSource

SPEC = ClipSpec(seconds=1.0, frames=12, image_size=32)


@pytest.fixture
def source(drawn_set):
    return TFRecordSource(drawn_set, "test")


@pytest.fixture
def scored(source):
    """p_fake falls with the position; clips 0 and 4 are genuine, then three kinds in turn."""
    n = len(source)
    scores = {name: np.full(n, 0.25) for name in ("p_video", "p_audio", "p_mismatch")}
    scores |= {"p_fake": np.linspace(0.9, 0.1, n), "best_offset_ms": np.zeros(n)}
    return score_table(source, scores | {"clip_index": np.arange(n)})


def test_the_most_confident_answers_are_chosen(scored):
    assert scored.label.tolist() == [0, 1, 1, 1, 0, 1, 1, 1]
    # Genuine: 4 is right (0.44), 0 is wrong. Each kind: the first is right, the second wrong.
    assert choose_clips(scored, threshold=0.5)[:2] == [4, 0]
    assert sorted(choose_clips(scored, threshold=0.5)[2:]) == [1, 2, 3, 5, 6, 7]
    # All are called forged: no right answer on a genuine clip, no wrong one on a forged.
    assert choose_clips(scored, threshold=0.05)[0] == 0
    assert sorted(choose_clips(scored, threshold=0.05)[1:]) == [1, 2, 3]
    assert choose_clips(scored, float("nan")) == choose_clips(scored, threshold=0.5)


def test_clips_without_picture_or_score_are_not_chosen(scored):
    values = {field.name: getattr(scored, field.name) for field in dataclasses.fields(ScoreTable)}
    blind = ScoreTable(**(values | {"p_video": np.full(len(scored), np.nan)}))
    assert choose_clips(blind, threshold=0.5) == []
    assert choose_clips(scored.select(np.zeros(len(scored), bool)), threshold=0.5) == []


def test_a_strip_shows_the_frames_and_says_what_was_answered(source, scored):
    strips = list(cut_strips(source, SPEC, scored, [4, 3, 7], threshold=0.5))
    captions = [strip.caption for strip in strips]
    verdicts = "p_video 0.25, p_audio 0.25, p_mismatch 0.25"
    assert captions[0] == f"genuine: right, p_fake 0.44, {verdicts}"
    assert captions[1].endswith(f": right, p_fake 0.56, {verdicts}")
    assert captions[2].endswith(f": WRONG, p_fake 0.10, {verdicts}")
    assert captions[1].split(":")[0] == captions[2].split(":")[0]
    for strip in strips:
        assert strip.picture.shape == (32, 6 * 32, 3)  # every second of twelve frames
        assert strip.picture.std() > 10
