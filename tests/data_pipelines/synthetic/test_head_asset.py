"""The asset's builder: closed shapes that face outwards, and packing that can be undone."""

import numpy as np
import pytest

from data_pipelines.synthetic.head import _unpack
from data_pipelines.synthetic.head_asset.mesh import rings_from, vertex_normals
from data_pipelines.synthetic.head_asset.targets import STEP, pack
from data_pipelines.synthetic.head_asset.teeth import dental_arch, sphere


def volume(points, triangles):
    """Signed: positive where triangles are counter-clockwise from outside."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.einsum("fi,fi->", a, np.cross(b, c)) / 6


def test_an_eyeball_is_a_sphere_that_faces_outwards():
    points, triangles = sphere(np.array([1.0, 2, 3]), 1.2)
    np.testing.assert_allclose(np.linalg.norm(points - [1, 2, 3], axis=1), 1.2)
    assert volume(points - [1, 2, 3], triangles) == pytest.approx(4.19 * 1.2**3, rel=0.08)


@pytest.mark.parametrize("upper", [True, False])
def test_teeth_face_outwards_on_both_sides(upper):
    along = np.linspace(0, 3, 12)
    edge = np.stack([along, np.zeros(12), 4 - 0.4 * along**2], axis=1)
    points, triangles = dental_arch(edge, upper)
    teeth = len(points) // 41  # four rings of ten, and a cap
    assert teeth == 12
    for tooth in range(teeth):
        own = triangles[triangles[:, 0] // 41 == tooth] - 41 * tooth
        crown = points[41 * tooth : 41 * (tooth + 1)]
        assert volume(crown - crown.mean(axis=0), own) > 0.05
    assert (points[:, 1].mean() > 0) == upper  # crowns grow from the edge to the gum


def test_packing_can_be_undone():
    rng = np.random.default_rng(0)
    targets = {name: np.zeros((50, 3)) for name in ("smile", "frown")}
    for target in targets.values():
        target[rng.choice(50, 9, replace=False)] = rng.normal(0, 2, (9, 3))
    asset = pack("expression", targets) | {"step": np.float32(STEP)}
    unpacked = _unpack(asset, "expression", 50)
    for name, target in targets.items():
        np.testing.assert_allclose(unpacked[name], target, atol=STEP)


def test_rings_count_edges():
    strip = np.array([[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]])
    np.testing.assert_array_equal(rings_from(np.array([0]), strip, 7), [0, 1, 1, 2, 2, 3, 99])


def test_normals_of_a_sphere_point_outwards():
    points, triangles = sphere(np.zeros(3), 1.0)
    np.testing.assert_allclose(
        (vertex_normals(points, triangles) * points).sum(axis=1), 1, atol=0.02
    )
