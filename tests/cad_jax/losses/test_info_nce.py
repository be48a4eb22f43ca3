import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses.info_nce import info_nce
from cad_jax.parallel.mesh import batch_sharding, make_mesh, put_batch, replicated

FORMS = ("dense", "gather", "ring")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def mixed_batch(b=32, d=24, seed=0):
    """Forgeries, shifted clips, missing modalities and clips of one original, all in one batch."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, b)  # 0, 1 genuine, 2 out of sync, 3 forged
    return {
        "z_video": unit(rng.standard_normal((b, d))).astype(np.float32),
        "z_audio": unit(rng.standard_normal((b, d))).astype(np.float32),
        "positive": kind < 2,
        "hard": kind == 2,
        "has_video": rng.random(b) > 0.15,
        "has_audio": rng.random(b) > 0.15,
        "pair": rng.integers(-1, b // 4, b).astype(np.int32),
    }


def loss_of(form, mesh):
    def loss(z_video, z_audio, scale, rest):
        return info_nce(z_video, z_audio, scale, **rest, mesh=mesh, form=form).mean()

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


def value_and_grads(batch, form, mesh, scale=14.0):
    rest = put_batch({k: v for k, v in batch.items() if not k.startswith("z_")}, mesh)
    z = put_batch({k: batch[k] for k in ("z_video", "z_audio")}, mesh)
    scale = jax.device_put(jnp.float32(scale), replicated(mesh))
    value, grads = loss_of(form, mesh)(z["z_video"], z["z_audio"], scale, rest)
    return [np.asarray(value), *map(np.asarray, grads)]


def on_one_device(batch, scale, mesh, form="dense"):
    jitted = jax.jit(info_nce, static_argnames=("mesh", "form"))
    return jitted(**put_batch(batch, mesh), scale=jnp.float32(scale), mesh=mesh, form=form)


def numpy_info_nce(batch, scale):
    """The definition, one clip at a time, in float64."""
    zv, za = (batch[k].astype(np.float64) for k in ("z_video", "z_audio"))
    costs = []
    for here, there, present in ((zv, za, "has_audio"), (za, zv, "has_video")):
        for i in range(len(zv)):
            if not (batch["has_video"][i] and batch["has_audio"][i]):
                continue
            others = [
                np.exp(scale * here[i] @ there[j])
                for j in range(len(zv))
                if j != i
                and batch[present][j]
                and not (batch["pair"][i] >= 0 and batch["pair"][i] == batch["pair"][j])
            ]
            p = np.exp(scale * here[i] @ there[i])
            p /= p + sum(others)
            if others and batch["positive"][i]:
                costs.append(-np.log(p))
            elif others and batch["hard"][i]:
                costs.append(-np.log(1 - p))
    return np.sum(costs), len(costs)


@pytest.mark.parametrize("form", FORMS)
def test_three_clips_by_hand(one_device, form):
    """Clip 0 is genuine, clip 1 known out of sync, clip 2 forged: a candidate, never an anchor."""
    eye = np.eye(3, dtype=np.float32)
    batch = {
        "z_video": eye,
        "z_audio": eye,
        "positive": np.array([True, False, False]),
        "hard": np.array([False, True, False]),
        "has_video": np.ones(3, bool),
        "has_audio": np.ones(3, bool),
        "pair": np.full(3, -1, np.int32),
    }
    result = on_one_device(batch, 2.0, one_device, form)
    p = np.exp(2) / (np.exp(2) + 2)
    np.testing.assert_allclose(result.total, 2 * (-np.log(p) - np.log(1 - p)), rtol=1e-6)
    assert result.count == 4


@pytest.mark.parametrize("seed", range(3))
def test_dense_equals_the_definition(one_device, seed):
    batch = mixed_batch(seed=seed)
    result = on_one_device(batch, 14.0, one_device)
    total, count = numpy_info_nce(batch, 14.0)
    np.testing.assert_allclose(result.total, total, rtol=1e-5)
    assert result.count == count


@pytest.mark.parametrize("form", FORMS)
def test_eight_devices_equal_one(mesh, one_device, form):
    batch = mixed_batch()
    expected = value_and_grads(batch, "dense", one_device)
    for got, want in zip(value_and_grads(batch, form, mesh), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


def test_gradient_of_the_ring_against_finite_differences(mesh):
    """The ring's backward pass is written by hand."""
    batch = mixed_batch(b=16, d=4)
    _, d_video, d_audio, d_scale = value_and_grads(batch, "ring", mesh, scale=3.0)
    rng = np.random.default_rng(1)
    move_video, move_audio = rng.standard_normal((2, 16, 4))

    def along(step):
        moved = dict(batch)
        moved["z_video"] = batch["z_video"] + step * move_video
        moved["z_audio"] = batch["z_audio"] + step * move_audio
        total, count = numpy_info_nce(moved, 3.0 + step)
        return total / count

    slope = (along(1e-5) - along(-1e-5)) / 2e-5
    got = np.sum(d_video * move_video) + np.sum(d_audio * move_audio) + d_scale
    np.testing.assert_allclose(got, slope, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_no_candidates_is_no_loss_and_finite_gradients(mesh, form):
    """All clips from one original: nobody has a negative, positive or hard."""
    batch = mixed_batch(b=8)
    batch["pair"] = np.zeros(8, np.int32)
    batch["positive"] = np.arange(8) % 2 == 0
    batch["hard"] = ~batch["positive"]
    for part in value_and_grads(batch, form, mesh):
        np.testing.assert_array_equal(part, 0.0)


@pytest.mark.parametrize("form", FORMS)
def test_large_logits_stay_finite(mesh, form):
    """A hard anchor whose own pair dominates: -log(1 - p) must not become -log(0)."""
    batch = mixed_batch(b=8)
    batch["z_audio"] = batch["z_video"]
    batch["hard"], batch["positive"] = np.ones(8, bool), np.zeros(8, bool)
    for part in value_and_grads(batch, form, mesh, scale=1000.0):
        assert np.all(np.isfinite(part))


def test_anchors_pull_and_push_their_own_pair(one_device):
    """On orthogonal clips a video's gradient along its own sound comes from its own pair alone."""
    batch = mixed_batch(b=12)
    batch["z_video"] = batch["z_audio"] = np.eye(12, dtype=np.float32)
    _, d_video, d_audio, _ = value_and_grads(batch, "dense", one_device)
    both = batch["has_video"] & batch["has_audio"]
    for along in (np.diag(d_video), np.diag(d_audio)):
        assert np.all(along[batch["hard"] & both] > 0)
        assert np.all(along[batch["positive"] & both] < 0)
        np.testing.assert_array_equal(along[~(batch["hard"] | batch["positive"]) | ~both], 0)


def test_unknown_form_is_named(one_device):
    """The static type refuses it in tests; at run time the function does."""
    with pytest.raises((ValueError, TypeError), match="rign"):
        on_one_device(mixed_batch(), 1.0, one_device, form="rign")


def test_the_ring_needs_least_memory():
    mesh = make_mesh(8, 1)
    split, whole = batch_sharding(mesh), replicated(mesh)
    b, d = 4096, 64

    def array(shape, dtype, sharding=split):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    flags = {key: array((b,), bool) for key in ("positive", "hard", "has_video", "has_audio")}
    rest = {**flags, "pair": array((b,), jnp.int32)}
    z = array((b, d), jnp.float32)
    temporaries = {}
    for form in FORMS:
        compiled = loss_of(form, mesh).lower(z, z, array((), jnp.float32, whole), rest).compile()
        temporaries[form] = compiled.memory_analysis().temp_size_in_bytes
    assert temporaries["ring"] < temporaries["gather"] / 4, temporaries
    assert temporaries["ring"] < temporaries["dense"] / 2, temporaries
    # One 512 x 512 block of logits is 1 MiB; neither the gathered batch nor its logits may appear.
    assert temporaries["ring"] < 6 * 2**20, temporaries
