import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.alignment import AlignmentProjector, CrossAttention
from cad_jax.models.tracks import Track, bin_centres
from cad_jax.numerics import unit
from cad_jax.settings.model import CADConfig

CONFIG = CADConfig(width=16, heads=2, embedding=8, temporal_depth=2, centre_time=True)


def random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def projector(**options):
    config = dataclasses.replace(CONFIG, **options)
    return AlignmentProjector(12, config, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("centre_time", [False, True])
def test_embeddings_are_unit_vectors(depth, centre_time):
    hidden, z = projector(temporal_depth=depth, centre_time=centre_time)(
        random(2, 9, 12), jnp.ones((2, 9), bool)
    )
    assert hidden.shape == (2, 9, 16)
    assert z.dtype == jnp.float32
    np.testing.assert_allclose(jnp.linalg.norm(z, axis=-1), np.ones((2, 9)), atol=1e-4)


def test_unit_has_finite_gradients_at_zero():
    gradient = jax.grad(lambda x: jnp.sum(unit(x)))(jnp.zeros((1, 4)))
    assert jnp.all(jnp.isfinite(gradient))


def test_centring_hides_what_does_not_change_over_time():
    x = jnp.broadcast_to(random(2, 1, 12), (2, 9, 12))
    mask = jnp.ones((2, 9), bool)
    _, centred = projector(temporal_depth=0)(x, mask)
    _, plain = projector(temporal_depth=0, centre_time=False)(x, mask)
    np.testing.assert_allclose(centred, 0.0, atol=1e-2)
    np.testing.assert_allclose(jnp.linalg.norm(plain, axis=-1), np.ones((2, 9)), atol=1e-4)


def test_missing_tokens_change_nothing_of_the_others():
    mask = jnp.asarray([[True] * 6 + [False] * 3])
    x = random(1, 9, 12)
    other = jnp.where(mask[..., None], x, 100.0 * random(1, 9, 12, seed=1))
    layer = projector()
    for ours, theirs in zip(layer(x, mask), layer(other, mask), strict=True):
        np.testing.assert_allclose(ours[:, :6], theirs[:, :6], atol=1e-6)


def test_temporal_convolutions_see_neighbours_only():
    mask = jnp.ones((1, 21), bool)
    layer = projector(centre_time=False)  # two of kernel 5 reach four tokens
    x = random(1, 21, 12)
    _, base = layer(x, mask)
    _, moved = layer(x.at[0, 10].add(random(12, seed=1)), mask)
    changed = np.flatnonzero(np.max(np.abs(np.asarray(base - moved)), axis=-1)[0] > 1e-6)
    np.testing.assert_array_equal(changed, np.arange(6, 15))


def tracks(video_mask=None, audio_mask=None):
    masks = [jnp.ones((2, 5), bool), jnp.ones((2, 7), bool)]
    masks = [
        m if given is None else given
        for m, given in zip(masks, (video_mask, audio_mask), strict=True)
    ]
    return [
        Track(random(2, mask.shape[1], 16, seed=i), bin_centres(mask.shape[1], 1.0, 2), mask)
        for i, mask in enumerate(masks)
    ]


def test_each_modality_sees_the_other():
    layer = CrossAttention(CONFIG, rngs=nnx.Rngs(0))
    video, audio = tracks()
    shared_video, shared_audio = layer(video, audio)
    louder = dataclasses.replace(audio, features=audio.features + random(2, 7, 16, seed=9))
    assert shared_video.features.shape == (2, 5, 16)
    assert shared_audio.features.shape == (2, 7, 16)
    assert (
        jnp.min(jnp.max(jnp.abs(layer(video, louder)[0].features - shared_video.features), -1))
        > 1e-4
    )
    np.testing.assert_array_equal(shared_video.mask, video.mask)


def test_a_missing_modality_is_the_null_token_whatever_stands_there():
    layer = CrossAttention(CONFIG, rngs=nnx.Rngs(0))
    absent = jnp.asarray([[False] * 7, [True] * 7])
    video, audio = tracks(audio_mask=absent)
    shared, _ = layer(video, audio)
    noise = dataclasses.replace(audio, features=audio.features.at[0].add(5.0))
    np.testing.assert_array_equal(layer(video, noise)[0].features, shared.features)
    layer.null_audio[...] = layer.null_audio[...] + random(16)
    moved = jnp.max(jnp.abs(layer(video, audio)[0].features - shared.features), axis=(1, 2))
    assert moved[0] > 1e-4
    assert moved[1] == 0.0
