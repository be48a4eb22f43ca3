"""Time arithmetic: which frames and which samples belong to a window."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.window import (
    Window,
    all_starts,
    can_misalign,
    centre_window,
    cut_sound,
    extent,
    extent_of,
    misaligned_window,
    sounding,
    starts_with_sound,
)

SPEC = ClipSpec(seconds=0.4, frames=5, image_size=16)  # 10 bins, 6400 samples


def impulse_at(make_clip, millisecond: float, offset_ms: float):
    """A clip whose only sound is one sample, `millisecond` after its first frame."""
    audio = np.zeros(32000, np.int16)
    audio[round((millisecond - offset_ms) * 16)] = 16384
    return make_clip(audio=audio, audio_offset_ms=offset_ms)


@pytest.mark.parametrize("offset_ms", [0.0, 37.5, -20.0, 120.0, -12.3])
@pytest.mark.parametrize(("start", "frame"), [(0, 5), (3, 5), (5, 5), (12, 20)])
def test_the_sound_of_a_frame_is_found_at_the_frame(make_clip, offset_ms, start, frame):
    clip = impulse_at(make_clip, 40.0 * frame, offset_ms)
    waveform, _ = cut_sound(clip, SPEC, Window(start))
    assert waveform.shape == (6400,)
    assert waveform.dtype == np.float32
    assert np.flatnonzero(waveform).tolist() == [(frame - start) * 640]
    assert waveform.max() == 0.5


def test_a_shift_takes_the_sound_from_later(make_clip):
    clip = impulse_at(make_clip, 40.0 * 20, 0.0)
    waveform, mask = cut_sound(clip, SPEC, Window(12, sound_shift=0.25))
    # 0.32 s after the picture's start, heard 0.25 s earlier.
    assert np.flatnonzero(waveform).tolist() == [round(0.07 * 16000)]
    assert mask.all()


@pytest.mark.parametrize(
    ("offset_ms", "num_samples", "expected"),
    [
        (0, 6400, [True] * 10),
        (0, 6390, [True] * 10),  # a few samples short of the last bin's end
        (0, 1600, [True, True] + [False] * 8),
        (80, 6400, [False, False] + [True] * 8),
        (-80, 6400, [True] * 8 + [False, False]),
        (400, 6400, [False] * 10),
        (-400, 6400, [False] * 10),
        (0, 0, [False] * 10),
    ],
)
def test_mask_of_the_sound(make_clip, offset_ms, num_samples, expected):
    clip = make_clip(audio=np.ones(num_samples, np.int16), audio_offset_ms=float(offset_ms))
    waveform, mask = cut_sound(clip, SPEC, Window(0))
    np.testing.assert_array_equal(mask, expected)
    heard = np.zeros(6400, bool)
    first = offset_ms * 16
    heard[max(first, 0) : max(first + num_samples, 0)] = True
    np.testing.assert_array_equal(waveform != 0, heard)


def test_bins_of_a_record(make_clip, without_picture):
    assert extent_of(make_clip(7)).bins == 7
    sound = without_picture(make_clip(7))
    assert extent_of(sound).bins == 7
    assert extent_of(dataclasses.replace(sound, audio=sound.audio[:-1])).bins == 6
    assert extent_of(dataclasses.replace(sound, audio_offset_ms=-80.0)).bins == 5


def test_centre_and_random_windows(make_clip):
    clip = make_clip(14)
    assert centre_window(clip, SPEC) == Window(2)
    rng = np.random.default_rng(0)
    starts = all_starts(extent_of(clip), SPEC)
    assert {starts.draw(rng) for _ in range(60)} == {0, 1, 2, 3, 4}
    short = make_clip(6)
    assert centre_window(short, SPEC) == Window(0)
    assert all_starts(extent_of(short), SPEC).draw(rng) == 0


@pytest.mark.parametrize("samples", [1, 640, 3200, 6400])
@pytest.mark.parametrize("offset_ms", [-200.0, 0.0, 33.3, 480.0, 3000.0])
@pytest.mark.parametrize("length", [0, 1600, 6400, 9000])
def test_windows_with_sound_are_those_that_hold_it(make_clip, samples, offset_ms, length):
    clip = make_clip(25, audio=np.ones(length, np.int16), audio_offset_ms=offset_ms)
    found = starts_with_sound(extent_of(clip), SPEC, samples)
    heard = [(cut_sound(clip, SPEC, Window(start))[0] != 0).sum() for start in range(16)]
    expected = [start for start in range(16) if heard[start] >= samples]
    assert list(range(int(found.first), int(found.last) + 1)) == expected
    for start in expected:
        part = sounding(extent_of(clip), SPEC, Window(start))
        np.testing.assert_array_equal(
            np.flatnonzero(cut_sound(clip, SPEC, Window(start))[0]), np.arange(16000)[part]
        )


def test_a_column_of_clips_is_as_good_as_one(make_clip):
    clips = [
        make_clip(frames, audio=np.ones(length, np.int16), audio_offset_ms=offset)
        for frames, length, offset in ((25, 16000, 0.0), (14, 9000, 20.5), (7, 100, -40.0))
    ]
    lengths = zip(*((len(c.frames), c.audio.size, c.audio_offset_ms) for c in clips), strict=True)
    column = extent(*map(np.array, lengths))
    for at, clip in enumerate(clips):
        one = extent_of(clip)
        assert tuple(int(values[at]) for values in column) == one
        for many, single in (
            (can_misalign(column, SPEC, (0.2, 0.6)), can_misalign(one, SPEC, (0.2, 0.6))),
            (starts_with_sound(column, SPEC, 640).any, starts_with_sound(one, SPEC, 640).any),
        ):
            assert many[at] == single


@pytest.mark.parametrize("offset_ms", [0.0, 60.0, -60.0])
def test_a_misaligned_window_lies_within_the_record(make_clip, offset_ms):
    clip = make_clip(50, audio_offset_ms=offset_ms)
    windows = [
        misaligned_window(extent_of(clip), SPEC, (0.2, 0.6), np.random.default_rng(i))
        for i in range(100)
    ]
    shifts = [window.sound_shift for window in windows]
    assert min(shifts) < -0.2
    assert max(shifts) > 0.2
    assert all(0.2 <= abs(shift) <= 0.6 for shift in shifts)
    for window in windows:
        assert 0 <= window.start <= 40
        sound = window.start / 25 + window.sound_shift
        assert sound >= offset_ms / 1000 - 1e-9
        assert sound + 0.4 <= 2.0 + offset_ms / 1000 + 1e-9
        assert cut_sound(clip, SPEC, window)[1].all()


def test_a_misaligned_window_takes_what_room_there_is(make_clip):
    rng = np.random.default_rng(0)
    for _ in range(50):
        roomy = extent_of(make_clip(17))  # 0.28 s to spare
        window = misaligned_window(roomy, SPEC, (0.2, 0.6), rng)
        assert 0.2 <= abs(window.sound_shift) <= 0.28 + 1e-9
    for frames in (14, 5):
        assert not can_misalign(extent_of(make_clip(frames)), SPEC, (0.2, 0.6))


@pytest.mark.parametrize("offset_ms", [0.0, 270.0, -270.0, 411.0])
@pytest.mark.parametrize("length", [6300, 6400, 6500, 7100])
def test_a_short_sound_is_misaligned_where_that_can_be(make_clip, offset_ms, length):
    """Sound hardly longer than the window: few shifts have a place on the grid."""
    clip = make_clip(30, audio=np.ones(length, np.int16), audio_offset_ms=offset_ms)
    low, high = 3200, 9600
    start, final = round(offset_ms * 16), round(offset_ms * 16) + length - 6400
    possible = any(
        low <= abs(sound - 640 * bin_) <= high
        for bin_ in range(21)
        for sound in range(start, final + 1)
    )
    assert can_misalign(extent_of(clip), SPEC, (0.2, 0.6)) == possible
    for seed in range(30 * possible):
        rng = np.random.default_rng(seed)
        window = misaligned_window(extent_of(clip), SPEC, (0.2, 0.6), rng)
        assert 0 <= window.start <= 20
        assert 0.2 <= abs(window.sound_shift) <= 0.6
        assert cut_sound(clip, SPEC, window)[0].all()


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": 0.41},
        {"seconds": 0.0},
        {"seconds": -0.4},
        {"frames": 0},
        {"frames": 11},
        {"image_size": 0},
        {"mouth_size": -1},
        {"mouth_margin": 0.0},
        {"mouth_margin": float("nan")},
        {"mouth_smoothing": 4},
    ],
)
def test_an_impossible_clip_is_refused(values):
    with pytest.raises(UserError, match=next(iter(values))):
        ClipSpec(**{"seconds": 0.4, "frames": 5, "image_size": 16} | values)


def test_sizes_of_a_clip():
    spec = ClipSpec(seconds=2.0, frames=8, image_size=64, mouth_size=32)
    assert (spec.num_bins, spec.num_samples, spec.num_mouths) == (50, 32000, 50)
    assert SPEC.num_mouths == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seconds": 1e9}, "up to 3600"),
        ({"seconds": float("inf")}, "up to 3600"),
        ({"seconds": float("nan")}, "up to 3600"),
        ({"seconds": 0.05}, "multiple of 0.04"),
        ({"image_size": 10**6}, "1 to 8192 pixels"),
        ({"mouth_size": 10**6}, "1 to 8192 pixels"),
    ],
    ids=str,
)
def test_an_absurd_clip_is_refused_before_anything_is_built(wrong, message):
    with pytest.raises(UserError, match=message):
        ClipSpec(**{"seconds": 1.0, "frames": 5, "image_size": 32} | wrong)
