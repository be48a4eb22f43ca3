import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cad_jax.losses.offset_info_nce import offset_info_nce

RADIUS = 15


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def random_clips(b=3, k=6, g=24, e=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "z_video": unit(rng.standard_normal((b, k, e))).astype(np.float32),
        "z_audio": unit(rng.standard_normal((b, g, e))).astype(np.float32),
        "scale": np.float32(6.0),
        "grid_index": rng.integers(0, g, (b, k)).astype(np.int32),
        "align_mask": rng.random((b, k)) > 0.2,
        "speech_mask": rng.random((b, g)) > 0.3,
        "in_sync": np.arange(b) != 1,
    }


def numpy_offset_info_nce(clips, radius, near):
    costs = []
    b, k, _ = clips["z_video"].shape
    g = clips["z_audio"].shape[1]
    for i, frame in np.ndindex(b, k):
        own_bin = clips["grid_index"][i, frame]

        def logit(bin, i=i, frame=frame):
            return clips["scale"] * clips["z_video"][i, frame] @ clips["z_audio"][i, bin]

        anchor = clips["align_mask"][i, frame] and clips["in_sync"][i]
        negatives = [
            np.exp(logit(own_bin + o))
            for o in range(-radius, radius + 1)
            if abs(o) > near and 0 <= own_bin + o < g and clips["speech_mask"][i, own_bin + o]
        ]
        if anchor and negatives and clips["speech_mask"][i, own_bin]:
            own = np.exp(logit(own_bin))
            costs.append(-np.log(own / (own + sum(negatives))))
    return sum(costs), len(costs)


@pytest.mark.parametrize(("radius", "near"), [(15, 1), (3, 0), (4, 2)])
def test_equals_the_definition(radius, near):
    clips = random_clips()
    result = offset_info_nce(**jax.tree.map(jnp.asarray, clips), radius=radius, near=near)
    total, count = numpy_offset_info_nce(clips, radius, near)
    np.testing.assert_allclose(result.total, total, rtol=1e-5)
    assert result.count == count > 0


def test_neighbours_and_silence_do_not_matter():
    """Only one frame, at bin 10: sound at 9, 11 and in silent bins may be anything."""
    clips = random_clips(b=1, k=1)
    clips |= {
        "grid_index": np.array([[10]], np.int32),
        "align_mask": np.ones((1, 1), bool),
        "in_sync": np.ones(1, bool),
        "speech_mask": np.arange(24)[None] != 3,
    }

    def loss(z_audio):
        rest = {k: jnp.asarray(v) for k, v in clips.items() if k != "z_audio"}
        return offset_info_nce(z_audio=z_audio, **rest, radius=8).total

    moved = np.any(jax.grad(loss)(jnp.asarray(clips["z_audio"]))[0] != 0, axis=1)
    expected = (np.abs(np.arange(24) - 10) <= 8) & ~np.isin(np.arange(24), [3, 9, 11])
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("silent", ["align_mask", "speech_mask", "in_sync"])
def test_nothing_to_learn_from_is_zero_with_finite_gradients(silent):
    clips = jax.tree.map(jnp.asarray, random_clips())
    clips[silent] = jnp.zeros_like(clips[silent])

    def loss(z_video, z_audio, scale):
        rest = {k: v for k, v in clips.items() if not k.startswith("z_") and k != "scale"}
        return offset_info_nce(z_video, z_audio, scale, **rest).mean()

    arguments = clips["z_video"], clips["z_audio"], clips["scale"]
    value, grads = jax.value_and_grad(loss, argnums=(0, 1, 2))(*arguments)
    assert value == 0
    for grad in grads:
        np.testing.assert_array_equal(grad, 0)


def shifted_clips(rng, b, shift, g=64, hidden=6, width=12):
    """Hidden noise drives lips and sound through two fixed mixings; the sound is `shift` late."""
    mixing = np.random.default_rng(99)
    lips_of, sound_of = mixing.standard_normal((2, hidden, width))
    source = rng.standard_normal((b, g + 2 * RADIUS, hidden))
    lips = source[:, RADIUS : RADIUS + g] @ lips_of
    late = np.stack([source[i, RADIUS - s : RADIUS - s + g] for i, s in enumerate(shift)])
    sound = late @ sound_of
    noise = 0.3 * rng.standard_normal((2, b, g, width))
    return (lips + noise[0]).astype(np.float32), (sound + noise[1]).astype(np.float32)


def sync_curves(z_video, z_audio):
    """[b o]: mean cosine of lips at g and sound at g + o, over the bins that both have."""
    g = z_video.shape[1]
    cosines = np.einsum("bge,bhe->bgh", z_video, z_audio)
    offsets = range(-RADIUS, RADIUS + 1)
    return np.stack(
        [np.trace(cosines, o, axis1=1, axis2=2) / (g - abs(o)) for o in offsets], axis=1
    )


def test_short_training_finds_constructed_shifts():
    """Two linear projections trained on clips in sync; held-out clips are -10..10 bins late."""
    rng = np.random.default_rng(0)
    lips, sound = shifted_clips(rng, 48, np.zeros(48, int))
    b, g, width = lips.shape
    everything = {
        "grid_index": jnp.broadcast_to(jnp.arange(g), (b, g)),
        "align_mask": jnp.ones((b, g), bool),
        "speech_mask": jnp.ones((b, g), bool),
        "in_sync": jnp.ones(b, bool),
    }
    optimiser = optax.adam(3e-2)

    def project(x, matrix):
        z = x @ matrix
        return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

    def loss(matrices):
        z_video, z_audio = project(lips, matrices[0]), project(sound, matrices[1])
        return offset_info_nce(z_video, z_audio, jnp.float32(10.0), **everything).mean()

    def step(carry, _):
        matrices, state = carry
        updates, state = optimiser.update(jax.grad(loss)(matrices), state)
        return (optax.apply_updates(matrices, updates), state), None

    @jax.jit
    def train(matrices):
        carry = (matrices, optimiser.init(matrices))
        return jax.lax.scan(step, carry, length=60)[0][0]

    shifts = np.arange(-10, 11)
    test_lips, test_sound = shifted_clips(rng, len(shifts), shifts)

    def found(matrices):
        curves = sync_curves(project(test_lips, matrices[0]), project(test_sound, matrices[1]))
        return curves.argmax(axis=1) - RADIUS

    untrained = jax.random.normal(jax.random.key(0), (2, width, 8)) / np.sqrt(width)
    assert np.mean(found(untrained) == shifts) < 0.5
    np.testing.assert_array_equal(found(train(untrained)), shifts)
