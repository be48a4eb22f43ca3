"""One row: the right frames at the right places, masks, times and labels."""

import dataclasses

import numpy as np
import pytest
import simplejpeg

from data_pipelines.errors import UserError
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.transforms import (
    blank_row,
    clip_row,
    crop_square,
    frame_bins,
    smooth_mouths,
)
from data_pipelines.loading.window import Window

SPEC = ClipSpec(seconds=0.8, frames=5, image_size=16, mouth_size=8)  # 20 bins


def levels(images: np.ndarray) -> list[int]:
    """What frame each picture is of: `make_clip` paints frame i in grey 4 i."""
    return (images.mean(axis=(1, 2, 3)) / 4).round().astype(int).tolist()


def labels(row: dict) -> tuple[int, ...]:
    return tuple(int(row[f"label_{of}"]) for of in ("video", "audio", "sync")) + (
        int(row["label"]),
    )


def test_frames_are_the_middles_of_equal_parts():
    np.testing.assert_array_equal(frame_bins(SPEC), [2, 6, 10, 14, 18])
    np.testing.assert_array_equal(frame_bins(ClipSpec(0.4, 10, 8)), np.arange(10))
    np.testing.assert_array_equal(frame_bins(ClipSpec(2.0, 1, 8)), [25])


def test_a_whole_window(make_clip):
    row = clip_row(Sample(7, make_clip()), SPEC, Window(3), pair=2)
    assert levels(row["frames"]) == [5, 9, 13, 17, 21]
    assert levels(row["mouth_frames"]) == list(range(3, 23))
    np.testing.assert_allclose(row["frame_times"], [0.08, 0.24, 0.4, 0.56, 0.72], rtol=1e-6)
    np.testing.assert_allclose(row["mouth_times"], np.arange(20) / 25, rtol=1e-6)
    np.testing.assert_array_equal(row["waveform"] * 32768, np.arange(3 * 640, 23 * 640))
    assert row["frames"].shape == (5, 16, 16, 3)
    assert row["mouth_frames"].shape == (20, 8, 8, 3)
    assert row["frame_mask"].all()
    assert row["mouth_mask"].all()
    assert row["waveform_mask"].all()
    assert (row["has_video"], row["has_audio"], row["valid"]) == (True, True, True)
    assert (row["pair"], row["clip_index"]) == (2, 7)
    assert labels(row) == (0, 0, 1, 0)


def test_without_mouths_only_the_chosen_frames_are_decoded(make_clip):
    clip = make_clip()
    frames = [b"not a picture"] * 50
    for index in (2, 6, 10, 14, 18):
        frames[index] = clip.frames[index]
    spec = dataclasses.replace(SPEC, mouth_size=0)
    row = clip_row(Sample(0, dataclasses.replace(clip, frames=tuple(frames))), spec, Window(0), -1)
    assert levels(row["frames"]) == [2, 6, 10, 14, 18]
    assert row["mouth_frames"].shape == (0, 0, 0, 3)
    assert row["mouth_times"].shape == row["mouth_mask"].shape == (0,)


def test_a_short_clip_is_masked(make_clip):
    row = clip_row(Sample(0, make_clip(8)), SPEC, Window(0), -1)
    np.testing.assert_array_equal(row["frame_mask"], [True, True, False, False, False])
    np.testing.assert_array_equal(row["mouth_mask"], np.arange(20) < 8)
    np.testing.assert_array_equal(row["waveform_mask"], np.arange(20) < 8)
    assert levels(row["frames"]) == [2, 6, 0, 0, 0]
    assert not row["mouth_frames"][8:].any()
    np.testing.assert_allclose(row["frame_times"], [0.08, 0.24, 0.4, 0.56, 0.72], rtol=1e-6)


def test_a_clip_without_picture(make_clip, without_picture):
    clip = without_picture(make_clip(label_audio=1))
    row = clip_row(Sample(0, clip), SPEC, Window(0), -1)
    assert (row["has_video"], row["has_audio"]) == (False, True)
    assert not row["frame_mask"].any()
    assert not row["mouth_mask"].any()
    assert not row["frames"].any()
    assert labels(row) == (-1, 1, -1, 1)
    assert row["frame_times"].any()


def test_a_clip_without_sound(make_clip, without_sound):
    row = clip_row(Sample(0, without_sound(make_clip())), SPEC, Window(0), -1)
    assert (row["has_video"], row["has_audio"]) == (True, False)
    assert not row["waveform_mask"].any()
    assert labels(row) == (0, -1, -1, 0)


def test_sound_that_lies_outside_the_window_counts_as_missing(make_clip):
    clip = make_clip(label_video=0, label_audio=1, label_sync=0, audio_offset_ms=800.0)
    row = clip_row(Sample(0, clip), SPEC, Window(0), -1)
    assert not row["has_audio"]
    assert labels(row) == (0, -1, -1, 0)


def test_a_blank_row_is_shaped_like_any_other(make_clip):
    row = clip_row(Sample(0, make_clip()), SPEC, Window(0), -1)
    blank = blank_row(SPEC, clip_index=-1)
    assert blank.keys() == row.keys()
    for key, value in row.items():
        assert (blank[key].shape, blank[key].dtype) == (value.shape, value.dtype), key
    assert not blank["valid"]
    assert labels(blank) == (-1, -1, -1, -1)
    np.testing.assert_array_equal(blank["frame_times"], row["frame_times"])


def test_a_crop_is_centred_to_a_fraction_of_a_pixel():
    ramp = np.repeat(np.arange(0, 160, 4, dtype=np.uint8)[None], 40, axis=0)
    image = np.stack([ramp, ramp.T, ramp], axis=-1)
    crop = crop_square(image, np.array([20.0, 12.0]), side=10.0)
    assert crop.shape == (10, 10, 3)
    # Pixel n spans n to n + 1: a crop of side 10 around 20 is pixels 15 to 24.
    np.testing.assert_array_equal(crop[0, :, 0], np.arange(15, 25) * 4)
    np.testing.assert_array_equal(crop[:, 0, 1], np.arange(7, 17) * 4)
    half = crop_square(image, np.array([20.5, 12.0]), side=10.0)
    np.testing.assert_array_equal(half[0, :, 0], np.arange(15, 25) * 4 + 2)


def test_a_crop_beyond_the_border_repeats_it():
    image = np.arange(40, dtype=np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    crop = crop_square(image, np.array([0.0, 20.0]), side=10.0)
    np.testing.assert_array_equal(crop[5, :, 0], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
    assert crop_square(image, np.array([-1e9, 1e9]), side=1e12).shape == (40, 40, 3)
    assert crop_square(image, np.array([20.0, 20.0]), side=0.0).shape == (8, 8, 3)


def test_mouths_are_smoothed_in_place_and_fixed_in_size():
    boxes = np.tile(np.float32([10, 20, 20, 26]), (9, 1))
    boxes[4] += np.float32([5, 0, 5, 0])  # one frame jumps aside
    boxes[6, 3] = 36  # one mouth opens wide
    centres, side = smooth_mouths(boxes, SPEC)
    np.testing.assert_allclose(centres[:, 0], [15, 15, 16, 16, 16, 16, 16, 15, 15])
    np.testing.assert_allclose(centres[:4, 1], 23)
    assert side == pytest.approx(1.2 * 10)
    assert smooth_mouths(np.zeros((0, 4), np.float32), SPEC)[0].shape == (0, 2)
    lips = dataclasses.replace(SPEC, mouth_margin=1.5, mouth_smoothing=1)
    centres, side = smooth_mouths(boxes, lips)
    np.testing.assert_allclose(centres[:, 0], [15, 15, 15, 15, 20, 15, 15, 15, 15])
    assert side == pytest.approx(15)


def test_a_frame_that_is_no_picture_is_named(make_clip):
    clip = make_clip()
    for bad in (b"", b"text", clip.frames[0][:100]):
        frames = (*clip.frames[:6], bad, *clip.frames[7:])
        sample = Sample(0, dataclasses.replace(clip, frames=frames))
        with pytest.raises(UserError, match="clip 'made/clip#0', frame 6: "):
            clip_row(sample, SPEC, Window(0), -1)


def test_a_huge_frame_is_refused_before_it_is_decoded(make_clip, monkeypatch):
    header = simplejpeg.encode_jpeg(np.zeros((1, 5000, 3), np.uint8))
    clip = make_clip()
    sample = Sample(0, dataclasses.replace(clip, frames=(header, *clip.frames[1:])))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    with pytest.raises(UserError, match="frame 0: 5000 x 1 pixels, more than 4096"):
        clip_row(sample, SPEC, Window(0), -1)
