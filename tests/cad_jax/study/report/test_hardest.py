"""Pictures are those of the records that were judged, or none."""

import pytest

from cad_jax.data import open_evaluation
from cad_jax.study.inputs import describe_records
from cad_jax.study.report.hardest import middle_frames
from data_pipelines.errors import UserError


@pytest.fixture
def judged(add, small_experiment):
    """A result whose records are there, and the clips of its test."""
    experiment = small_experiment()
    data = experiment.data
    split = data.test_splits[0]
    source = open_evaluation(data, split)
    config, inputs = experiment.to_mapping(), describe_records(data, split)
    return add("full", 0, config=config, inputs=inputs), split, source


def test_the_middle_frame_of_each(judged):
    result, split, source = judged
    names = source.column("clip_id").tolist()
    found = dict(middle_frames(result, split, names[::-1][:2], "clip"))
    assert list(found) == names[::-1][:2]
    frames = source[len(names) - 1].clip.frames
    assert found[names[-1]] == frames[len(frames) // 2]
    video = names[0].rsplit("#", 1)[0]
    frames = source[0].clip.frames
    assert dict(middle_frames(result, split, [video], "video")) == {video: frames[len(frames) // 2]}


def test_other_records_are_refused(judged, add):
    result, split, _ = judged
    place = next(iter(result.inputs))
    other = add("full", 1, config=result.config, inputs={place: "drawn/test: 9 clips, records x"})
    with pytest.raises(UserError, match=f"{place} holds other records now: "):
        list(middle_frames(other, split, [], "clip"))
