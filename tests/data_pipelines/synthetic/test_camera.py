"""The camera's law does what it says, and the same for everybody."""

import numpy as np

from data_pipelines.synthetic.camera import CameraLaw, film

SHARP = CameraLaw(resolution=(1.0, 1.0), blur=(0.0, 0.0), noise=(0.0, 0.0), jpeg_quality=(90, 91))
NOISY = CameraLaw(resolution=(1.0, 1.0), blur=(0.0, 0.0), noise=(0.02, 0.02), jpeg_quality=(90, 91))
SOFT = CameraLaw(resolution=(0.5, 0.5), blur=(0.6, 0.6), noise=(0.0, 0.0), jpeg_quality=(90, 91))


def test_the_same_random_state_films_the_same():
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    one, two = (film(frames, NOISY, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_noise_does_not_depend_on_the_picture():
    # What differs between two takes' noise is the picture, and nothing else.
    grey, dark = (np.full((2, 32, 32, 3), value, np.uint8) for value in (128, 100))
    noises = []
    for frames in (grey, dark):
        clean = film(frames, SHARP, np.random.default_rng(7)).astype(int)
        noises.append(film(frames, NOISY, np.random.default_rng(7)).astype(int) - clean)
    np.testing.assert_allclose(noises[0], noises[1], atol=1)
    assert 3 < noises[0].std() < 7  # 0.02 of full scale is 5.1


def test_tones_keep_their_order():
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[None, None, :, None], (1, 8, 64, 3))
    filmed = film(ramp, SHARP, np.random.default_rng(1))[0, 0, :, 0].astype(int)
    assert (np.diff(filmed) >= 0).all()


def test_soft_optics_lose_detail():
    checks = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)
    frames = np.broadcast_to(checks[None, :, :, None], (1, 32, 32, 3))
    sharp = film(frames, SHARP, np.random.default_rng(2))
    soft = film(frames, SOFT, np.random.default_rng(2))
    assert soft.std() < 0.1 * sharp.std()
