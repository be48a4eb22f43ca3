"""The file of embeddings, and by what they group clips."""

import numpy as np
import pytest

from cad_jax.evaluation.embeddings import neighbour_share, read_embeddings, write_embeddings
from data_pipelines.errors import UserError


def test_a_file_gives_back_what_was_written(tmp_path):
    embeddings = np.array([[1.5, -2.0], [np.nan, np.nan]], np.float16)
    write_embeddings(embeddings, tmp_path / "e.npy")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "e.npy", 2), embeddings)
    with pytest.raises(UserError, match=r"e\.npy does not hold the embeddings of 3 clips"):
        read_embeddings(tmp_path / "e.npy", 3)


@pytest.mark.parametrize("content", [None, b"", b"no array", b"PK\x03\x04", b"\x93NUMPY\x01\x00v"])
def test_what_is_no_file_of_embeddings_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "e.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"e\.npy: no embeddings: .*evaluate the run again"):
        read_embeddings(tmp_path / "e.npy", 2)


def test_the_share_is_that_of_the_nearest_by_angle():
    angles = np.deg2rad([0, 1, 2, 90, 91, 180])
    lengths = np.array([1, 9, 1, 5, 1, 1])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
    groups = np.array(["a", "a", "b", "c", "c", "b"])
    some = [0, 2, 3, 4, 5]  # at 0, 2, 90, 91 and 180 degrees; only the two at 90 are of a group
    share, chance = neighbour_share(embeddings[some], groups[some], 1)
    assert share == pytest.approx(2 / 5)
    assert chance == pytest.approx((2 + 2) / (5 * 4))  # c twice, and b
    everything, chance = neighbour_share(embeddings, groups, 99)
    assert everything == pytest.approx(chance)  # all others are neighbours: nothing but chance
