import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.stems import ImageStem, SpectrogramStem, patches
from cad_jax.models.vit import tower_input
from cad_jax.settings.model import ViTConfig, WhisperConfig

SOUND = WhisperConfig(mels=16, width=16, depth=0, heads=2, stem="spectrogram")


def spectrogram_stem():
    return SpectrogramStem(SOUND, rngs=nnx.Rngs(0))


def mel(frames=40):
    return np.random.default_rng(0).standard_normal((2, 16, frames)).astype(np.float32)


def test_patches_are_flattened_by_row_column_and_channel():
    x = jnp.arange(4 * 6 * 2, dtype=jnp.float32).reshape(1, 4, 6, 2)
    cut = patches(x, 2, 3)
    assert cut.shape == (1, 2, 2, 12)
    np.testing.assert_array_equal(cut[0, 1, 0], np.asarray(x)[0, 2:4, 0:3].ravel())


def test_the_image_stem_keeps_which_part_of_the_image_is_smooth():
    """A norm of each pixel by itself would make a weak texture look like a strong one."""
    config = ViTConfig(image_size=32, width=32, depth=0, heads=2, stem="conv", residual=True)
    convs = ImageStem(config, 9, rngs=nnx.Rngs(0)).convs
    texture = np.random.default_rng(0).integers(-60, 60, (1, 32, 32, 3))
    strength = np.where(np.arange(32) < 16, 0.1, 1.0)[:, None]
    image = (128 + texture * strength).astype(np.uint8)
    first = convs.norms[0](convs.first(patches(tower_input(jnp.asarray(image), True), 4, 4)))
    weak, strong = (half.std(axis=(0, 1, 2)).mean() for half in (first[:, :, :4], first[:, :, 4:]))
    assert strong > 3 * weak


def test_two_mel_frames_a_token():
    tokens = spectrogram_stem()(jnp.asarray(mel(40)))
    assert tokens.shape == (2, 20, 16)
    assert tokens.dtype == jnp.float32


def test_the_microphone_is_not_heard():
    """A filter and a gain, which add a constant to each mel bin, change nothing."""
    stem, sound = spectrogram_stem(), mel()
    colour = np.random.default_rng(1).standard_normal((2, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(
        stem(jnp.asarray(sound)), stem(jnp.asarray(sound + colour)), atol=1e-4
    )
    smoothed = 0.5 * (sound + np.roll(sound, 1, axis=2))
    assert jnp.abs(stem(jnp.asarray(sound)) - stem(jnp.asarray(smoothed))).max() > 0.1


def test_silence_stays_finite():
    assert jnp.isfinite(spectrogram_stem()(jnp.zeros((1, 16, 40)))).all()


@pytest.mark.parametrize(
    ("option", "message"),
    [({"mels": 24}, "mels must be a multiple of 16"), ({"width": 12}, "a multiple of 8")],
)
def test_sizes_that_do_not_halve_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        WhisperConfig(**({"mels": 16, "width": 16, "heads": 2} | option), stem="spectrogram")
