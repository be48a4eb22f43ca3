"""Each augmentation against literal arrays, and together: one draw for the whole clip."""

import numpy as np
import pytest

from data_pipelines.errors import UserError
from data_pipelines.loading.augment import (
    add_noise,
    adjust_colour,
    augment_picture,
    augment_row,
    augment_sound,
    blur,
    cut_out,
    flip,
    limit_band,
    recompress,
    shift_mouths,
)
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.settings import NO_AUGMENTATION, AugmentConfig, ClipSpec
from data_pipelines.loading.transforms import clip_row, cut_window
from data_pipelines.loading.window import Window

SPEC = ClipSpec(seconds=0.8, frames=5, image_size=16, mouth_size=8)
PICTURE = ("flip", "colour", "blur", "jpeg", "cutout")
SOUND = ("gain", "noise", "band_limit")


@pytest.fixture
def image() -> np.ndarray:
    """Smooth colour gradients, so that every change shows and JPEG does little harm."""
    y, x = np.mgrid[0:48, 0:32]
    return np.stack([4 * y, 6 * x, 60 + 2 * x + y], axis=-1).astype(np.uint8)


@pytest.fixture
def row(make_clip):
    return clip_row(Sample(0, make_clip(12)), SPEC, Window(0), -1)  # eight bins are masked


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_nothing_happens_by_default(row):
    changed = augment_row(row, NO_AUGMENTATION, generator())
    for key, value in row.items():
        np.testing.assert_array_equal(changed[key], value, err_msg=key)


def test_mouths_are_moved_all_alike_and_nothing_is_drawn_for_none(make_clip):
    cut = cut_window(make_clip(12), SPEC, Window(0))
    rng = generator()
    assert shift_mouths(cut, 0.0, rng) is cut
    assert rng.random() == generator().random()
    moved = shift_mouths(cut, 0.1, rng).mouth_centres - cut.mouth_centres
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-9)
    assert 0 < np.abs(moved).max() <= 0.1 * cut.mouth_side


@pytest.mark.parametrize("name", PICTURE)
def test_what_is_done_to_one_frame_is_done_to_all(image, name):
    images = np.stack([image] * 4)
    # At 48 px the default blur is too small to show in every draw.
    config = AugmentConfig(**{name: 1.0}, blur_sigma=(0.03, 0.04))
    frames, mouths = augment_picture(images, images[:3], config, generator())
    assert (frames.shape, frames.dtype) == (images.shape, np.uint8)
    assert not np.array_equal(frames, images)
    assert (frames == frames[0]).all()
    if name == "cutout":
        np.testing.assert_array_equal(mouths, images[:3])
    else:
        assert (mouths == frames[0]).all()


def test_the_same_generator_gives_the_same_clip(image, row):
    config = AugmentConfig(**dict.fromkeys(PICTURE + SOUND, 0.5))
    outcomes = [augment_row(row, config, np.random.default_rng(i // 2)) for i in range(12)]
    for first, second in zip(outcomes[::2], outcomes[1::2], strict=True):
        for key, value in first.items():
            np.testing.assert_array_equal(second[key], value, err_msg=key)
    assert not np.array_equal(outcomes[0]["waveform"], outcomes[2]["waveform"])


def test_a_row_is_not_changed_in_place(row):
    before = {key: value.copy() for key, value in row.items()}
    augment_row(row, AugmentConfig(**dict.fromkeys(PICTURE + SOUND, 1.0)), generator())
    for key, value in before.items():
        np.testing.assert_array_equal(row[key], value, err_msg=key)


def test_what_is_masked_stays_zero(row):
    config = AugmentConfig(**dict.fromkeys(PICTURE + SOUND, 1.0))
    changed = augment_row(row, config, generator())
    assert not changed["frames"][~row["frame_mask"]].any()
    assert not changed["mouth_frames"][~row["mouth_mask"]].any()
    assert not changed["waveform"][12 * 640 :].any()
    assert changed["waveform"][: 12 * 640].any()
    np.testing.assert_array_equal(changed["frame_mask"], row["frame_mask"])


def test_flip(image):
    np.testing.assert_array_equal(flip(image[None])[0, :, 0], image[:, -1])


def test_colour():
    pixel = np.array([[[[100, 200, 50]]]], np.uint8)
    np.testing.assert_array_equal(adjust_colour(pixel, 1.2, 1.0, 1.0), [[[[120, 240, 60]]]])
    np.testing.assert_array_equal(adjust_colour(pixel, 1.0, 0.5, 1.0), [[[[114, 164, 89]]]])
    # ITU-R 601 grey: 0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153.
    np.testing.assert_array_equal(adjust_colour(pixel, 1.0, 1.0, 0.0), [[[[153, 153, 153]]]])
    np.testing.assert_array_equal(adjust_colour(pixel, 9.0, 1.0, 1.0), [[[[255, 255, 255]]]])


def test_blur():
    edge = np.zeros((1, 9, 20, 3), np.uint8)
    edge[:, :, 10:] = 200
    profile = blur(edge, 2.0)[0, 4, :, 0]
    # An edge becomes the normal distribution function, here at 0.5, 1.5 and 2.5 pixels from it.
    expected = 200 * np.array([0.1056, 0.2266, 0.4013, 0.5987, 0.7734, 0.8944])
    np.testing.assert_allclose(profile[7:13], expected, atol=2)  # levels; 8-bit kernel


def test_recompression_loses_more_at_lower_quality(image):
    def loss(quality: int) -> float:
        return float(np.abs(recompress(image[None], quality)[0].astype(int) - image).mean())

    assert 0 < loss(95) < loss(30) < 20


def test_cutout():
    images = np.zeros((2, 10, 20, 3), np.uint8)
    cut = cut_out(images, (0.2, 0.5, 0.4, 0.75))
    expected = np.zeros_like(images)
    expected[:, 2:4, 10:15] = 128
    np.testing.assert_array_equal(cut, expected)
    assert not images.any()


def tone(hertz: float) -> np.ndarray:
    return (0.25 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)).astype(np.float32)


def test_band_limit_removes_what_lies_above_and_nothing_below():
    limited = limit_band(tone(1000) + tone(6000), cutoff_hz=4000.0)
    assert limited.dtype == np.float32
    np.testing.assert_allclose(limited, tone(1000), atol=1e-6)


def test_noise_has_the_stated_power():
    noise = add_noise(tone(440), 20.0, generator()) - tone(440)
    assert 10 * np.log10(np.mean(tone(440) ** 2) / np.mean(noise**2)) == pytest.approx(20, abs=0.2)


def test_gain_stays_within_its_range():
    config = AugmentConfig(gain=1.0, gain_db=6.0)
    rng = generator()
    gains = [augment_sound(tone(440), config, rng).max() / 0.25 for _ in range(100)]
    assert 10 ** (-6 / 20) <= min(gains) < 0.6
    assert 1.7 < max(gains) <= 10 ** (6 / 20) + 1e-6
    assert np.abs(augment_sound(4 * tone(440), config, generator())).max() <= 1


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"flip": 1.5}, "flip"),
        ({"jpeg": -0.1}, "jpeg"),
        ({"sync_shift": 0.6, "sync_exchange": 0.6}, r"sync_shift \+ sync_exchange"),
        ({"sync_shift": 0.6, "pseudo_fake": 0.6}, r"sync_exchange \+ pseudo_fake"),
        ({"drop_video": 0.6, "drop_audio": 0.6}, r"drop_video \+ drop_audio"),
        ({"pseudo_fake_operations": ("mouht",)}, "no forgery 'mouht'; did you mean 'mouth'"),
        ({"pseudo_fake_operations": ()}, "pseudo_fake_operations is empty"),
    ],
)
def test_an_impossible_value_is_refused(values, name):
    with pytest.raises(UserError, match=name):
        AugmentConfig(**values)
