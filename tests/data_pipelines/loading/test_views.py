"""A view shows what it says: sound late by so much to the sample, media corrupted, labels right."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.corruptions.registry import corrupt
from data_pipelines.errors import UserError
from data_pipelines.loading.pipeline import evaluation_batches
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.transforms import decode_frame
from data_pipelines.loading.views import Corrupted, Delayed, centred

SPEC = ClipSpec(seconds=0.4, frames=2, image_size=32, mouth_size=16)


def first_frame(cut) -> int:
    """Frame i of `make_clip` is grey 4 i."""
    return round(cut.frames[0].mean() / 4)


def first_sample(cut) -> int:
    """Sample n of `make_clip` is n."""
    return round(float(cut.waveform[0]) * 32768)


def sound_of(cut) -> np.ndarray:
    return np.round(cut.waveform * 32768).astype(int)


@pytest.mark.parametrize("delay", [-500, -450, -20, 20, 300, 500])
def test_sound_is_late_by_exactly_so_much_and_all_of_it_is_the_records(make_clip, delay):
    cut = Delayed(delay)(make_clip(30), SPEC)
    late = first_frame(cut) * 640 - first_sample(cut)
    assert late == delay * 16
    assert (np.diff(sound_of(cut)) == 1).all()
    assert cut.waveform_mask.all()
    assert len(cut.bins) == SPEC.num_bins
    assert (cut.label_sync, cut.label_video, cut.label_audio) == (0, 0, 0)


@pytest.mark.parametrize(
    ("delay", "start"), [(-500, 7), (-420, 9), (-300, 10), (40, 10), (300, 10), (500, 13)]
)
def test_the_window_stays_as_near_to_the_middle_as_it_can(make_clip, delay, start):
    """30 bins, of which 10 are seen: sound that is 12.5 bins early must end by bin 30."""
    assert first_frame(Delayed(delay)(make_clip(30), SPEC)) == start


@pytest.mark.parametrize("delay", [-350, 350])
def test_without_room_the_sound_is_closed_to_a_ring(make_clip, delay):
    """A record of 0.56 s has 0.16 s of sound besides the window's."""
    clip = make_clip(14, audio=np.arange(1, 14 * 640 + 1).astype(np.int16))
    cut = Delayed(delay)(clip, SPEC)
    assert cut.waveform_mask.all()
    samples = sound_of(cut)
    assert (samples > 0).all()
    at = first_frame(cut) * 640 + np.arange(len(samples))  # on the record's axis
    own = (at - delay * 16 >= 160) & (at - delay * 16 < 14 * 640)  # not the ring's, nor its seam
    np.testing.assert_array_equal(samples[own], (at - delay * 16 + 1)[own])
    assert own.mean() > 0.4


def test_no_delay_is_the_clip_as_it_is(make_clip):
    clip = make_clip(30)
    plain, undelayed = centred(clip, SPEC), Delayed(0)(clip, SPEC)
    np.testing.assert_array_equal(plain.waveform, undelayed.waveform)
    assert undelayed.label_sync == 1


def test_a_clip_without_sound_or_picture_cannot_be_delayed(make_clip, without_sound):
    assert Delayed(100)(without_sound(make_clip(30)), SPEC) is None
    unseen = make_clip(30)
    unseen = dataclasses.replace(
        unseen, frames=(), frame_times_ms=unseen.frame_times_ms[:0],
        mouth_boxes=unseen.mouth_boxes[:0],
    )  # fmt: skip
    assert Delayed(100)(unseen, SPEC) is None


def test_a_corrupted_record_is_cut_where_the_clean_one_is(make_clip):
    clip = make_clip(30)
    plain, noisy = centred(clip, SPEC), Corrupted("gaussian_noise", 3)(clip, SPEC)
    whole = np.stack([decode_frame(clip, index) for index in range(30)])
    expected = corrupt(whole, "gaussian_noise", 3, clip.clip_id)
    np.testing.assert_array_equal(np.stack(noisy.frames), expected[10:20])
    np.testing.assert_array_equal(noisy.waveform, plain.waveform)
    assert noisy.label_sync == plain.label_sync == 1

    loud = Corrupted("white_noise", 3)(clip, SPEC)
    expected = corrupt(clip.audio, "white_noise", 3, clip.clip_id)
    np.testing.assert_array_equal(sound_of(loud), expected[10 * 640 : 20 * 640])
    np.testing.assert_array_equal(np.stack(loud.frames), np.stack(plain.frames))


def test_a_missing_modality_is_left_alone(make_clip, without_sound):
    silent = without_sound(make_clip(30))
    assert not Corrupted("mp3", 5)(silent, SPEC).waveform.any()
    unseen = dataclasses.replace(
        make_clip(30), frames=(), frame_times_ms=np.zeros(0), mouth_boxes=np.zeros((0, 4))
    )
    assert not Corrupted("h264", 5)(unseen, SPEC).frames


def test_a_wrong_corruption_is_refused_when_it_is_named():
    with pytest.raises(UserError, match="severity 7 is not one of 1 to 5"):
        Corrupted("jpeg", 7)


def test_views_follow_one_another_in_batches_of_their_own(write_source, make_clip):
    source = write_source([make_clip(30, name=name) for name in "abc"])
    views = (centred, Corrupted("contrast", 5), Delayed(200))
    batches = list(evaluation_batches(source, batch_size=2, clip=SPEC, views=views))
    assert [batch["clip_index"].tolist() for batch in batches] == [[0, 1], [2, -1]] * 3
    for number, view in enumerate(views):
        alone = list(evaluation_batches(source, batch_size=2, clip=SPEC, views=(view,)))
        for mine, theirs in zip(batches[2 * number : 2 * number + 2], alone, strict=True):
            for key, value in theirs.items():
                np.testing.assert_array_equal(mine[key], value, err_msg=key)
    assert [batch["label_sync"][0] for batch in batches] == [1, 1, 1, 1, 0, 0]
