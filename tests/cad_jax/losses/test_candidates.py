import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cad_jax.losses import candidates
from cad_jax.losses.candidates import (
    GATHER_BYTES,
    LOGSUMEXP,
    SOFTPLUS_SUM,
    TILE,
    Side,
    choose_form,
    gather_bytes,
    over_candidates,
)
from cad_jax.parallel.mesh import batch_sharding, make_mesh, put_batch

FORMS = ("dense", "gather", "ring")
REDUCTIONS = {"softmax": LOGSUMEXP, "sigmoid": SOFTPLUS_SUM}


@functools.cache
def temporaries(clips: int, form: str, contrast: str = "softmax", width: int = 256) -> int:
    """Bytes a device of eight needs besides arguments and results, forward and backward."""
    mesh = make_mesh(8, 1)

    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype, sharding=batch_sharding(mesh))

    def loss(z_video, z_audio, present, pair):
        index = jnp.arange(clips)
        sides = [Side(z, present, pair, index) for z in (z_video, z_audio)]
        rows, columns = over_candidates(REDUCTIONS[contrast], *sides, mesh, form)
        return rows.sum() + columns.sum()

    z, rest = array(clips, width), (array(clips, dtype=bool), array(clips, dtype=jnp.int32))
    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(z, z, *rest).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_the_choice_by_size():
    assert choose_form(32_768, 4096, devices=1) == "dense"
    assert choose_form(128, 1024, devices=8) == "gather"
    assert choose_form(4096, 4096, devices=16) == "gather"
    assert choose_form(16_384, 4096, devices=64) == "ring"
    assert choose_form(32_768, 256, devices=8) == "ring"


def test_more_devices_relieve_gather_of_logits_and_not_of_embeddings():
    assert gather_bytes(32_768, 64, 8) > GATHER_BYTES > gather_bytes(32_768, 64, 64)
    assert gather_bytes(32_768, 4096, 2**20) > GATHER_BYTES


@pytest.mark.parametrize(("clips", "width"), [(1024, 256), (8192, 64), (1024, 4096)])
def test_gather_holds_what_the_choice_assumes(clips, width):
    """To within a fifth of what the compiler plans, by embeddings and by logits."""
    planned = temporaries(clips, "gather", width=width)
    np.testing.assert_allclose(gather_bytes(clips, width, 8), planned, rtol=0.2)


def test_an_unknown_form_is_named(one_device):
    side = Side(jnp.ones((2, 3)), jnp.ones(2, bool), jnp.zeros(2, int), jnp.arange(2))
    # The static type refuses it in tests; at run time the function does.
    with pytest.raises((ValueError, TypeError), match="rign"):
        over_candidates(LOGSUMEXP, side, side, one_device, "rign")  # pyright: ignore


@pytest.mark.parametrize("contrast", REDUCTIONS)
def test_tiles_of_the_ring_change_nothing(contrast, monkeypatch):
    """Four clips a device: whole, by two, and by a size that does not divide them."""
    mesh, rng = make_mesh(2, 4), np.random.default_rng(0)
    arrays = {"video": rng.standard_normal((32, 5)), "audio": rng.standard_normal((32, 5))}
    arrays = {name: value.astype(np.float32) for name, value in arrays.items()}
    flags = {"present": rng.random(32) > 0.2, "pair": rng.integers(-1, 8, 32).astype(np.int32)}
    z, flags = put_batch(arrays, mesh), put_batch(flags, mesh)

    def loss(z, flags):
        sides = [Side(z[name], **flags, index=jnp.arange(32)) for name in ("video", "audio")]
        rows, columns = over_candidates(REDUCTIONS[contrast], *sides, mesh, "ring")
        weights = jnp.sin(jnp.arange(64.0)).reshape(2, 32)  # so that every row has its own gradient
        return jnp.where(flags["present"], weights * jnp.stack([rows, columns]), 0).sum()

    found = []
    for tile in (TILE, 2, 3):
        monkeypatch.setattr(candidates, "TILE", tile)
        found.append(jax.device_get(jax.jit(jax.value_and_grad(loss))(z, flags)))
    for other in found[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
                     other, found[0])  # fmt: skip


def test_the_ring_needs_least_memory():
    needed = {form: temporaries(4096, form, width=64) for form in FORMS}
    assert needed["ring"] < needed["gather"] / 4, needed
    assert needed["ring"] < needed["dense"] / 2, needed
    # One 512 x 512 block of logits is 1 MiB; neither the gathered batch nor its logits may appear.
    assert needed["ring"] < 6 * 2**20, needed


@pytest.mark.slow
@pytest.mark.parametrize("contrast", REDUCTIONS)
def test_memory_of_the_ring_is_linear_in_the_batch(contrast):
    """A device of eight, 1k to 32k clips of 256 features; printed with pytest -s."""
    sizes = [1024 * 2**n for n in range(6)]
    table = {form: [temporaries(b, form, contrast) for b in sizes] for form in FORMS}
    print(f"\n{contrast}: MiB of temporaries a device\n{'clips':8}", *(f"{b:8}" for b in sizes))
    for form, row in table.items():
        print(f"{form:8}", *(f"{size / 2**20:8.1f}" for size in row))
    growth = {
        form: row[-1] / row[2] for form, row in table.items()
    }  # from 4k to 32k clips: 8 times
    assert 7 < growth["ring"] < 10, growth
    assert growth["gather"] > 35, growth
    assert growth["dense"] > 40, growth
