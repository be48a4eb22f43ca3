"""Meshes of eight virtual devices, and of one to compare them with."""

import jax
import pytest
from jax.sharding import Mesh

from cad_jax.parallel.mesh import make_mesh


@pytest.fixture(params=[(8, 1), (4, 2), (2, 4)], ids=lambda shape: f"{shape[0]}x{shape[1]}")
def mesh(request: pytest.FixtureRequest) -> Mesh:
    return make_mesh(*request.param)


@pytest.fixture
def one_device() -> Mesh:
    return make_mesh(1, 1, devices=jax.devices()[:1])
