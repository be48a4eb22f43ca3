"""Forgeries by name: labels follow from what was done, and wrong use is one clear line."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.forgeries.names import NAMES
from data_pipelines.forgeries.operations import OPERATIONS, Footage, ForgeryError, forge
from data_pipelines.forgeries.traces import CLEAR

LABELS = {  # video, audio, sync
    "self_blend": (1, 0, 1), "mouth": (1, 0, 1), "smooth": (1, 0, 1), "neural": (1, 0, 1),
    "world": (0, 1, 1), "mel": (0, 1, 1), "lpc": (0, 1, 1), "pitch": (0, 1, 1),
    "splice": (0, 1, -1), "foreign": (0, 0, 0), "delay": (0, 0, 0),
}  # fmt: skip


def run(name, footage, other=None, seed=0):
    return forge(name, footage, np.random.default_rng(seed), traces=CLEAR, other=other)


def test_every_operation_is_spelled_out():
    assert set(NAMES) == set(LABELS)


@pytest.mark.parametrize("name", LABELS)
def test_labels_say_what_was_changed(name, footage, other_voice):
    forgery = run(name, footage, other_voice)
    assert dataclasses.astuple(forgery.labels) == LABELS[name]
    picture_changed = not np.array_equal(forgery.frames, footage.frames)
    assert picture_changed == (LABELS[name][0] == 1) == bool(forgery.mask.any())
    sound_changed = not np.array_equal(forgery.audio, footage.audio)
    assert sound_changed == (LABELS[name][1] == 1 or LABELS[name][2] == 0)
    assert (forgery.delay != 0) == (name == "delay")
    level = np.sqrt(np.mean(footage.audio**2))
    np.testing.assert_allclose(np.sqrt(np.mean(forgery.audio**2)), level, rtol=0.05)


def test_an_absent_modality_has_no_label(footage):
    silent = dataclasses.replace(footage, audio=np.zeros(0, np.float32))
    assert dataclasses.astuple(run("mouth", silent).labels) == (1, -1, -1)
    unseen = Footage(footage.frames[:0], footage.regions, footage.audio)
    forgery = run("mel", unseen)
    assert dataclasses.astuple(forgery.labels) == (-1, 1, -1)
    assert forgery.mask.shape == (0, 64, 64)


def test_wrong_use_is_named(footage):
    silent = dataclasses.replace(footage, audio=np.zeros(0, np.float32))
    unseen = Footage(footage.frames[:0], footage.regions, footage.audio)
    with pytest.raises(ForgeryError, match="did you mean 'mouth'"):
        run("mouht", footage)
    with pytest.raises(ForgeryError, match="'mel' needs sound"):
        run("mel", silent)
    with pytest.raises(ForgeryError, match="'delay' needs sound"):
        run("delay", silent)
    with pytest.raises(ForgeryError, match="'neural' needs a picture"):
        run("neural", unseen)
    with pytest.raises(ForgeryError, match="'splice' needs another clip"):
        run("splice", footage)


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("modalities", [(True, False), (False, True), (False, False)])
def test_an_operation_fits_where_it_would_forge(name, modalities, footage, other_voice):
    has_video, has_audio = modalities
    part = Footage(
        footage.frames if has_video else footage.frames[:0],
        footage.regions,
        footage.audio if has_audio else footage.audio[:0],
    )
    try:
        forged = 1 in dataclasses.astuple(run(name, part, other_voice).labels)[:2]
    except ForgeryError:
        forged = False
    assert OPERATIONS[name].fits(*modalities) == forged
    assert OPERATIONS[name].fits(True, True)


@pytest.mark.parametrize("name", [n for n in LABELS if OPERATIONS[n].picture is not None])
def test_only_what_works_over_time_needs_the_neighbours(name, footage):
    """Whether the first frame's forgery depends on the others."""
    frames = footage.frames.copy()
    frames[1:] = frames[1:, ::-1]
    other = dataclasses.replace(footage, frames=frames)
    same = [
        np.array_equal(*(run(name, clip, seed=seed).frames[0] for clip in (footage, other)))
        for seed in range(4)
    ]
    assert all(same) != OPERATIONS[name].over_time
