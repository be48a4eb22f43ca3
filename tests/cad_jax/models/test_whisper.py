import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.whisper import WhisperEncoder, sinusoids
from cad_jax.settings.model import WhisperConfig

SMALL = WhisperConfig(mels=16, width=32, depth=2, heads=2, max_tokens=50)


def encoder(config=SMALL):
    return WhisperEncoder(config, rngs=nnx.Rngs(0))


def mel(frames, mels=16):
    return np.random.default_rng(0).standard_normal((2, mels, frames)).astype(np.float32)


@pytest.mark.parametrize("frames", [2, 60, 100])
def test_two_mel_frames_a_token(frames):
    tokens = encoder()(jnp.asarray(mel(frames)))
    assert tokens.shape == (2, frames // 2, 32)
    assert tokens.dtype == jnp.float32


def test_positions_are_cropped_not_stretched():
    np.testing.assert_array_equal(sinusoids(100, 32)[:40], sinusoids(40, 32))
    np.testing.assert_allclose(
        sinusoids(3, 4)[2], [np.sin(2), np.sin(2e-4), np.cos(2), 1.0], atol=1e-6
    )


def test_refuses_what_the_positions_do_not_reach():
    with pytest.raises(ValueError, match="102 mel frames; at most 100"):
        encoder()(jnp.asarray(mel(102)))


def test_keys_have_no_bias():
    for block in encoder().blocks:
        assert block.attention.key.bias is None
        assert block.attention.query.bias is not None
