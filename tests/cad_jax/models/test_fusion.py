import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.fusion import Fusion
from cad_jax.models.sync import OFFSETS
from cad_jax.models.tracks import Track, bin_centres
from cad_jax.settings.model import CADConfig

CONFIG = CADConfig(width=16, heads=2, fusion_depth=1)


def random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def inputs(masked_from=5):
    mask = jnp.broadcast_to(jnp.arange(5) < masked_from, (2, 5))
    tracks = [Track(random(2, 5, 16, seed=i), bin_centres(5, 1.0, 2), mask) for i in range(4)]
    return tracks, random(2, len(OFFSETS), seed=5), jnp.asarray([True, False])


@pytest.fixture(params=["transformer", "mean"])
def fusion(request):
    return Fusion(dataclasses.replace(CONFIG, fusion=request.param), rngs=nnx.Rngs(0))


def test_shape_and_dtype(fusion):
    fused = fusion(*inputs())
    assert fused.shape == (2, 16)
    assert fused.dtype == jnp.float32


@pytest.mark.parametrize("index", range(4))
def test_every_track_counts_where_it_exists_and_only_there(fusion, index):
    tracks, curve, has_sync = inputs(masked_from=3)
    base = fusion(tracks, curve, has_sync)

    def changed(place):
        features = tracks[index].features.at[:, place].add(random(16, seed=8))
        other = list(tracks)
        other[index] = dataclasses.replace(tracks[index], features=features)
        return jnp.max(jnp.abs(fusion(other, curve, has_sync) - base), axis=1)

    assert jnp.all(changed(2) > 1e-5)
    np.testing.assert_array_equal(changed(3), 0.0)


def test_the_curve_counts_where_it_is_known(fusion):
    tracks, curve, has_sync = inputs()
    moved = jnp.abs(fusion(tracks, curve + 1.0, has_sync) - fusion(tracks, curve, has_sync))
    assert jnp.max(moved[0]) > 1e-5
    np.testing.assert_array_equal(moved[1], 0.0)


def test_tracks_are_told_apart(fusion):
    tracks, curve, has_sync = inputs()
    swapped = fusion([tracks[1], tracks[0], *tracks[2:]], curve, has_sync)
    assert jnp.max(jnp.abs(swapped - fusion(tracks, curve, has_sync))) > 1e-5


def test_the_transformer_knows_the_time():
    fusion = Fusion(CONFIG, rngs=nnx.Rngs(0))
    tracks, curve, has_sync = inputs()
    later = dataclasses.replace(tracks[0], times=tracks[0].times + 0.3)
    moved = fusion([later, *tracks[1:]], curve, has_sync) - fusion(tracks, curve, has_sync)
    assert jnp.max(jnp.abs(moved)) > 1e-5


def test_nothing_at_all_is_finite(fusion):
    tracks, curve, _ = inputs(masked_from=0)
    assert jnp.all(jnp.isfinite(fusion(tracks, curve, jnp.zeros(2, bool))))
