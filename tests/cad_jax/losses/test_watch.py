import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.lab.compile_report import count_collectives
from cad_jax.losses.watch import (
    RETRIEVAL_CLIPS,
    collapse_watch,
    embedding_std,
    retrieval_accuracy,
    sync_accuracy,
)
from cad_jax.parallel.mesh import batch_sharding, make_mesh, put_batch, replicated
from cad_jax.types import MaskedSum, Outputs


def test_std_is_one_on_the_sphere_and_zero_when_collapsed():
    z = jax.random.normal(jax.random.key(0), (4000, 32))
    everyone = jnp.ones(4000, bool)
    np.testing.assert_allclose(embedding_std(z, everyone), 1.0, atol=0.02)
    one_point = jnp.broadcast_to(z[:1], z.shape)
    np.testing.assert_allclose(embedding_std(one_point, everyone), 0.0, atol=1e-4)


def test_std_looks_at_directions_of_unmasked_rows_only():
    z = jnp.array([[2.0, 0.0], [-5.0, 0.0], [0.0, 7.0]])
    mask = jnp.array([True, True, False])
    np.testing.assert_allclose(embedding_std(z, mask), np.sqrt(2) / 2, rtol=1e-6)
    assert embedding_std(z, jnp.zeros(3, bool)) == 0


def test_retrieval_by_hand():
    video = jnp.eye(4)
    audio = jnp.eye(4)[jnp.array([0, 2, 1, 3])]  # clips 1 and 2 have each other's sound
    everyone, nobody_known = jnp.ones(4, bool), jnp.full(4, -1)
    result = retrieval_accuracy(video, audio, everyone, everyone, nobody_known)
    assert (result.total, result.count) == (2, 4)
    same_original = jnp.array([0, 5, 5, -1])
    tie = retrieval_accuracy(video, audio, everyone, everyone, same_original)
    assert tie.total == 2  # their own sound now ties with strangers' at 0, and a tie is a miss
    without = retrieval_accuracy(video, audio, everyone, jnp.arange(4) == 0, nobody_known)
    assert without.count == 3  # clip 0 is left without another candidate


def test_collapsed_embeddings_retrieve_nothing():
    same, everyone = jnp.ones((4, 3)), jnp.ones(4, bool)
    assert retrieval_accuracy(same, same, everyone, everyone, jnp.full(4, -1)).total == 0


def test_sync_accuracy_tolerates_one_bin():
    curve = jnp.eye(7)[jnp.array([2, 3, 4, 5, 3])]  # best offsets -1, 0, 1, 2, 0
    result = sync_accuracy(curve, jnp.array([True, True, True, True, False]))
    assert (result.total, result.count) == (3, 4)


def test_every_figure_is_finite_and_the_same_on_eight_devices(make_step, mesh, one_device):
    outputs, labels = make_step(16)

    def figures(on):
        scalars = {k: jax.device_put(v, replicated(on)) for k, v in outputs.items() if not v.ndim}
        arrays = put_batch({k: v for k, v in outputs.items() if v.ndim}, on)
        return jax.jit(collapse_watch)(Outputs(**arrays, **scalars), put_batch(labels, on))

    got, want = figures(mesh), figures(one_device)
    assert set(got) >= {"std_z_video", "std_fused", "retrieval_accuracy", "sync_accuracy"}
    for name, value in want.items():
        for a, b in zip(jax.tree.leaves(got[name]), jax.tree.leaves(value), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=name)
        if isinstance(value, MaskedSum):
            assert value.count > 0, name
        else:
            assert 0.5 < value < 1.1, name


def test_where_alignment_alone_is_trained_nothing_else_is_looked_at(make_step):
    outputs, labels = jax.tree.map(jnp.asarray, make_step(8))
    figures = collapse_watch(Outputs(**outputs), labels, detects=False)
    assert figures.keys() == {"std_z_video", "std_z_audio", "retrieval_accuracy", "sync_accuracy"}


def watch_shapes(b, mesh):
    """Outputs and labels of b clips as shapes on this mesh."""
    split, whole = batch_sharding(mesh), replicated(mesh)

    def shape(x):
        lengths = (b, *x.shape[1:]) if x.ndim else ()
        return jax.ShapeDtypeStruct(lengths, x.dtype, sharding=split if x.ndim else whole)

    return lambda arrays: jax.tree.map(shape, arrays)


def test_retrieval_looks_at_512_clips_and_gathers_no_more(make_step):
    """Of 4,096 clips on eight devices; all of them would be 0.8 MB by the same count."""
    outputs, labels = map(watch_shapes(4096, make_mesh(8, 1)), make_step(8))
    watch = jax.jit(lambda outputs, labels: collapse_watch(Outputs(**outputs), labels))
    program = watch.lower(outputs, labels).compile()
    moved = count_collectives(program.as_text())
    assert set(moved) <= {"all-gather", "all-reduce"}, moved
    row = 8 * 6 * 4 + 8 + 4 + 1  # one side's frames of float32, and what says who is a candidate
    assert 0 < moved["all-gather"][1] <= RETRIEVAL_CLIPS * row, moved
    assert moved["all-reduce"][1] < 10_000, moved


@pytest.mark.parametrize(("clips", "every"), [(512, 1), (1024, 2), (1030, 3)])
def test_retrieval_takes_every_nth_clip(make_step, clips, every):
    outputs, labels = jax.tree.map(jnp.asarray, make_step(clips))
    figure = jax.jit(collapse_watch)(Outputs(**outputs), labels)["retrieval_accuracy"]
    scalars = {k: v for k, v in outputs.items() if not v.ndim}
    fewer = {k: v[::every] for k, v in outputs.items() if v.ndim}
    some = {k: v[::every] for k, v in labels.items()}
    want = jax.jit(collapse_watch)(Outputs(**fewer, **scalars), some)["retrieval_accuracy"]
    assert figure.count == want.count > 20
    assert figure.total == want.total
