"""Time arithmetic: which frames and which samples belong to a window."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.settings import ClipSpec
from data_pipelines.loading.window import (
    Window,
    centre_window,
    cut_sound,
    misaligned_window,
    num_record_bins,
    random_window,
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
    assert num_record_bins(make_clip(7)) == 7
    sound = without_picture(make_clip(7))
    assert num_record_bins(sound) == 7
    assert num_record_bins(dataclasses.replace(sound, audio=sound.audio[:-1])) == 6
    assert num_record_bins(dataclasses.replace(sound, audio_offset_ms=-80.0)) == 5


def test_centre_and_random_windows(make_clip):
    clip = make_clip(14)
    assert centre_window(clip, SPEC) == Window(2)
    starts = {random_window(clip, SPEC, np.random.default_rng(i)).start for i in range(60)}
    assert starts == {0, 1, 2, 3, 4}
    short = make_clip(6)
    assert centre_window(short, SPEC) == Window(0)
    assert random_window(short, SPEC, np.random.default_rng(0)) == Window(0)


@pytest.mark.parametrize("offset_ms", [0.0, 60.0, -60.0])
def test_a_misaligned_window_lies_within_the_record(make_clip, offset_ms):
    clip = make_clip(50, audio_offset_ms=offset_ms)
    windows = [
        misaligned_window(clip, SPEC, (0.2, 0.6), np.random.default_rng(i)) for i in range(100)
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
        window = misaligned_window(make_clip(17), SPEC, (0.2, 0.6), rng)  # 0.28 s to spare
        assert 0.2 <= abs(window.sound_shift) <= 0.28 + 1e-9
    assert misaligned_window(make_clip(14), SPEC, (0.2, 0.6), rng) is None
    assert misaligned_window(make_clip(5), SPEC, (0.2, 0.6), rng) is None


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
    ],
)
def test_an_impossible_clip_is_refused(values):
    with pytest.raises(UserError, match=next(iter(values))):
        ClipSpec(**{"seconds": 0.4, "frames": 5, "image_size": 16} | values)


def test_sizes_of_a_clip():
    spec = ClipSpec(seconds=2.0, frames=8, image_size=64, mouth_size=32)
    assert (spec.num_bins, spec.num_samples, spec.num_mouths) == (50, 32000, 50)
    assert SPEC.num_mouths == 0
