import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses.candidates import Side
from cad_jax.losses.info_nce import info_nce, pair_sigmoid
from cad_jax.parallel.mesh import make_mesh, put_batch, replicated

FORMS = ("dense", "gather", "ring")
CONTRASTS = ("softmax", "sigmoid")
LEARNED = ("z_video", "z_audio", "scale", "bias")
MESHES = [(1, 1), (2, 1), (2, 2), (8, 1), (2, 4)]  # data, fsdp


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


def contrast_of(clips, scale, bias, contrast, mesh, form):
    """The loss under test, of a batch as `mixed_batch` makes it."""
    index = jnp.arange(len(clips["pair"]))
    video = Side(clips["z_video"], clips["has_video"], clips["pair"], index)
    audio = Side(clips["z_audio"], clips["has_audio"], clips["pair"], index)
    rest = {"positive": clips["positive"], "hard": clips["hard"], "mesh": mesh, "form": form}
    if contrast == "softmax":
        return info_nce(video, audio, scale, **rest)
    return pair_sigmoid(video, audio, scale, bias, **rest)


@functools.cache
def value_and_grad_of(contrast, form, mesh):
    def loss(learned, rest):
        scale, bias = learned["scale"], learned["bias"]
        clips = rest | {k: learned[k] for k in ("z_video", "z_audio")}
        result = contrast_of(clips, scale, bias, contrast, mesh, form)
        return result.mean(), result.count

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def value_and_grads(batch, form, mesh, contrast="softmax", scale=14.0, bias=-3.0):
    """The mean, the number of anchors, and the gradient by everything learned."""
    clips = put_batch(batch, mesh)
    scalars = jax.device_put({"scale": scale, "bias": bias}, replicated(mesh))
    learned = scalars | {k: v for k, v in clips.items() if k in LEARNED}
    rest = {k: v for k, v in clips.items() if k not in LEARNED}
    (value, count), grads = value_and_grad_of(contrast, form, mesh)(learned, rest)
    return float(value), int(count), jax.tree.map(np.asarray, grads)


def numpy_contrast(batch, contrast, scale=14.0, bias=-3.0):
    """The definition, one clip at a time, in float64: mean, number of anchors, gradients."""
    zv, za = (batch[k].astype(np.float64) for k in ("z_video", "z_audio"))
    cosine = zv @ za.T
    logits = scale * cosine + (bias if contrast == "sigmoid" else 0.0)
    pair = batch["pair"]
    related = (pair[:, None] == pair) & (pair >= 0) | np.eye(len(pair), dtype=bool)
    candidate = batch["has_video"][:, None] & batch["has_audio"] & ~related
    costs, slope = [], np.zeros_like(logits)
    # Transposed views: what is written to the slope of the sounds' rows is in the one array.
    for rows, mine, d_rows in ((logits, candidate, slope), (logits.T, candidate.T, slope.T)):
        for i in np.flatnonzero(batch["has_video"] & batch["has_audio"]):
            own, others = rows[i, i], rows[i, mine[i]]
            if not (batch["positive"][i] or batch["hard"][i]):
                continue
            if contrast == "softmax" and not len(others):
                continue
            cost, d_own, d_others = ANCHORS[contrast](own, others, bool(batch["hard"][i]))
            costs.append(cost)
            d_rows[i, i] += d_own
            d_rows[i, mine[i]] += d_others
    slope /= max(len(costs), 1)
    grads = {
        "z_video": scale * slope @ za,
        "z_audio": scale * slope.T @ zv,
        "scale": (slope * cosine).sum(),
        "bias": slope.sum() if contrast == "sigmoid" else 0.0,
    }
    return sum(costs) / max(len(costs), 1), len(costs), grads


def softmax_anchor(own, others, hard):
    e_own, e_others = np.exp(own), np.exp(others)
    p = e_own / (e_own + e_others.sum())
    d_both = e_others / (e_own + e_others.sum())
    if hard:
        return -np.log(1 - p), p, d_both - e_others / e_others.sum()
    return -np.log(p), p - 1, d_both


def sigmoid_anchor(own, others, hard):
    sign = 1 if hard else -1
    cost = np.log1p(np.exp(sign * own)) + np.log1p(np.exp(others)).sum()
    return cost, sign / (1 + np.exp(-sign * own)), 1 / (1 + np.exp(-others))


ANCHORS = {"softmax": softmax_anchor, "sigmoid": sigmoid_anchor}


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_reference_has_its_own_gradient(contrast):
    """Central differences of the reference's value, against the gradient that it states."""
    batch = mixed_batch(b=16, d=4)
    batch = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in batch.items()}
    _, _, grads = numpy_contrast(batch, contrast)
    rng = np.random.default_rng(1)
    move = {k: rng.standard_normal((16, 4)) for k in ("z_video", "z_audio")}

    def along(step):
        moved = batch | {k: batch[k] + step * v for k, v in move.items()}
        return numpy_contrast(moved, contrast, scale=14.0 + step, bias=-3.0 + step)[0]

    slope = (along(1e-6) - along(-1e-6)) / 2e-6
    want = sum(np.sum(grads[k] * v) for k, v in move.items()) + grads["scale"] + grads["bias"]
    np.testing.assert_allclose(want, slope, rtol=1e-6)


@pytest.mark.parametrize("shape", MESHES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_value_and_gradients_are_the_definitions(contrast, form, shape):
    """float32 against float64: sums of up to 62 costs, each of rounding 1e-7."""
    mesh = make_mesh(*shape, devices=jax.devices()[: shape[0] * shape[1]])
    for seed in range(2):
        batch = mixed_batch(seed=seed)
        value, count, grads = value_and_grads(batch, form, mesh, contrast)
        want, want_count, want_grads = numpy_contrast(batch, contrast)
        assert count == want_count > 20
        np.testing.assert_allclose(value, want, rtol=2e-6)
        for name in LEARNED:
            got, expected = grads[name], want_grads[name]
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6, err_msg=name)


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
    value, count, _ = value_and_grads(batch, form, one_device, scale=2.0)
    p = np.exp(2) / (np.exp(2) + 2)
    assert count == 4
    np.testing.assert_allclose(4 * value, 2 * (-np.log(p) - np.log(1 - p)), rtol=1e-6)
    value, count, _ = value_and_grads(batch, form, one_device, "sigmoid", scale=2.0, bias=-1.0)
    assert count == 4
    own = np.log1p(np.exp(-1)) + np.log1p(np.exp(1))  # logits of own pairs 2 - 1, of others -1
    np.testing.assert_allclose(4 * value, 2 * (own + 4 * np.log1p(np.exp(-1))), rtol=1e-6)


def test_the_sigmoid_form_is_the_papers_where_all_clips_are_genuine(one_device):
    """SigLIP's pseudocode: the sum of -log sigmoid(labels * logits), divided by the batch."""
    batch = mixed_batch(b=16)
    everyone = np.ones(16, bool)
    batch |= dict.fromkeys(("positive", "has_video", "has_audio"), everyone) | {"hard": ~everyone}
    batch["pair"] = np.full(16, -1, np.int32)
    logits = 10.0 * batch["z_video"].astype(np.float64) @ batch["z_audio"].T - 10.0
    labels = 2 * np.eye(16) - 1
    value, _, _ = value_and_grads(batch, "dense", one_device, "sigmoid", scale=10.0, bias=-10.0)
    np.testing.assert_allclose(value, np.log1p(np.exp(-labels * logits)).sum() / 16, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_no_candidates_is_no_loss_and_finite_gradients(mesh, form):
    """All clips from one original: nobody has a negative, positive or hard."""
    batch = mixed_batch(b=8)
    batch["pair"] = np.zeros(8, np.int32)
    batch["positive"] = np.arange(8) % 2 == 0
    batch["hard"] = ~batch["positive"]
    value, count, grads = value_and_grads(batch, form, mesh)
    assert value == count == 0
    for part in grads.values():
        np.testing.assert_array_equal(part, 0.0)


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("form", FORMS)
def test_large_logits_stay_finite(mesh, form, contrast):
    """A hard anchor whose own pair dominates: -log(1 - p) must not become -log(0)."""
    batch = mixed_batch(b=8)
    batch["z_audio"] = batch["z_video"]
    batch["hard"], batch["positive"] = np.ones(8, bool), np.zeros(8, bool)
    value, _, grads = value_and_grads(batch, form, mesh, contrast, scale=1000.0)
    assert value > 100
    for part in grads.values():
        assert np.all(np.isfinite(part))


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_anchors_pull_and_push_their_own_pair(one_device, contrast):
    """On orthogonal clips a video's gradient along its own sound comes from its own pair alone."""
    batch = mixed_batch(b=12)
    batch["z_video"] = batch["z_audio"] = np.eye(12, dtype=np.float32)
    _, _, grads = value_and_grads(batch, "dense", one_device, contrast)
    both = batch["has_video"] & batch["has_audio"]
    for along in (np.diag(grads["z_video"]), np.diag(grads["z_audio"])):
        assert np.all(along[batch["hard"] & both] > 0)
        assert np.all(along[batch["positive"] & both] < 0)
        np.testing.assert_array_equal(along[~(batch["hard"] | batch["positive"]) | ~both], 0)
