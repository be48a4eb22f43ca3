import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft, ndimage

from cad_jax.models.texture import COUNT, FLOOR, SPREADS, texture_statistics

SIZE, PLACES, BANDS = 64, 4, len(SPREADS)


def faces(clips=1, count=3, seed=0):
    """Grey noise that falls with frequency, as pictures do; [b t h w 3]."""
    noise = np.random.default_rng(seed).standard_normal((clips, count, SIZE, SIZE))
    smooth = ndimage.gaussian_filter(noise, (0, 0, 1, 1)) * 60 + noise * 8 + 120
    return np.repeat(np.clip(np.round(smooth), 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def statistics(frames, mask=None):
    """[place's row, its column, band] of each clip."""
    mask = np.ones(frames.shape[:2], bool) if mask is None else mask
    found = np.asarray(texture_statistics(jnp.asarray(frames), jnp.asarray(mask)))
    assert found.shape == (len(frames), COUNT)
    return found.reshape(len(frames), PLACES, PLACES, BANDS)


def test_it_is_the_slope_of_scipys_block_transform():
    frames = faces()
    size = SIZE // PLACES
    want = np.zeros((PLACES, PLACES, BANDS + 1))
    diagonal = np.add.outer(np.arange(8), np.arange(8))
    for row, column in np.ndindex(PLACES, PLACES):
        place = frames[0, :, size * row :, size * column :, 0][:, :size, :size].astype(float)
        blocks = place.reshape(3, size // 8, 8, size // 8, 8).swapaxes(2, 3)
        power = np.log(fft.dctn(blocks, axes=(3, 4), norm="ortho") ** 2 + FLOOR).mean((0, 1, 2))
        want[row, column] = [power[diagonal == band].mean() for band in range(1, BANDS + 2)]
    want = np.diff(want, axis=-1)
    want = (want - want.mean((0, 1))) / SPREADS
    np.testing.assert_allclose(statistics(frames)[0], want, atol=2e-3)


def smooth(frames, rows, columns):
    """Blurs one rectangle, in place."""
    here = frames[:, :, rows, columns]
    here[:] = np.round(ndimage.gaussian_filter(here.astype(float), (0, 0, 1, 1, 0)))


def test_brightness_does_not_matter_and_contrast_hardly():
    frames = faces(count=16)
    smooth(frames, np.s_[:], np.s_[:32])
    found = statistics(frames)
    np.testing.assert_allclose(statistics(frames + np.uint8(9)), found, atol=2e-3)
    half = np.round((frames.astype(float) - 120) / 2 + 120).astype(np.uint8)
    low = np.s_[..., :5]  # above, little but rounding to bytes is left of what was blurred
    assert np.corrcoef(statistics(half)[low].ravel(), found[low].ravel())[0, 1] > 0.98


def test_a_place_that_was_smoothed_falls_faster_than_the_others():
    frames = faces()
    smooth(frames, np.s_[32:48], np.s_[16:32])
    fall = statistics(frames)[0, ..., 1:5].sum(-1)
    others = np.delete(fall.ravel(), 4 * 2 + 1)
    assert fall[2, 1] < others.min() - 1


def test_only_frames_that_exist_count():
    frames = faces(clips=2)
    mask = np.array([[True, False, True], [False, False, False]])
    found = statistics(frames, mask)
    np.testing.assert_allclose(found[0], statistics(frames[:1, ::2])[0], atol=1e-4)
    np.testing.assert_array_equal(found[1], 0)


def test_a_side_that_is_not_tiled_is_an_error():
    with pytest.raises(ValueError, match="frames of 48 x 64"):
        texture_statistics(jnp.zeros((1, 1, 48, 64, 3), jnp.uint8), jnp.ones((1, 1), bool))
