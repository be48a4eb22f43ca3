"""Positions of another grid: torch's bicubic interpolation, the class token kept."""

import numpy as np
import pytest

from cad_jax.weights.positions import resize_positions


def positions(side, width=3):
    return np.random.default_rng(side).standard_normal((1 + side**2, width)).astype(np.float32)


def test_the_same_grid_is_the_same():
    np.testing.assert_allclose(resize_positions(positions(5), 26), positions(5), atol=1e-6)


def test_the_class_token_is_kept_and_a_constant_stays_one():
    flat = np.full((1 + 7**2, 2), 0.25, np.float32)
    flat[0] = [5, 6]
    resized = resize_positions(flat, 1 + 12**2)
    assert resized.shape == (145, 2)
    np.testing.assert_array_equal(resized[0], [5, 6])
    np.testing.assert_allclose(resized[1:], 0.25, atol=1e-6)


def test_weights_between_four_places():
    """Doubling a line: a quarter of a pixel off, by Keys' kernel with a = -0.75."""
    line = np.zeros((1 + 8**2, 1), np.float32)
    line[1:].reshape(8, 8)[:, 3] = 1.0  # a column of ones
    middle = resize_positions(line, 1 + 16**2)[1:].reshape(16, 16)[8]

    def kernel(x, a=-0.75):
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    expected = [kernel(abs((i + 0.5) / 2 - 0.5 - 3)) for i in range(16)]
    np.testing.assert_allclose(middle, expected, atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [(14, 7), (7, 16), (24, 14), (14, 15), (1, 4)])
def test_equals_torch(old, new):
    torch = pytest.importorskip("torch", reason="parity: pip install cad-jax[parity]")
    values = positions(old)
    grid = torch.from_numpy(values[1:].reshape(1, old, old, 3)).permute(0, 3, 1, 2)
    theirs = torch.nn.functional.interpolate(
        grid, size=(new, new), mode="bicubic", align_corners=False
    )
    theirs = theirs.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    np.testing.assert_allclose(resize_positions(values, 1 + new**2)[1:], theirs, atol=1e-5)


def test_equals_transformers():
    torch = pytest.importorskip("torch", reason="parity: pip install cad-jax[parity]")
    transformers = pytest.importorskip("transformers", reason="pip install cad-jax[parity]")
    settings = transformers.CLIPVisionConfig(
        image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    embeddings = transformers.CLIPVisionModel(settings).embeddings
    with torch.no_grad():
        theirs = embeddings.interpolate_pos_encoding(torch.zeros(1, 50, 16), 56, 56)[0].numpy()
    saved = embeddings.position_embedding.weight.detach().numpy()
    np.testing.assert_allclose(resize_positions(saved, 50), theirs, atol=1e-6)


@pytest.mark.parametrize("tokens", [0, 1, 9, 11])
def test_what_is_no_square_is_refused(tokens):
    with pytest.raises(ValueError, match=f"{tokens} positions are no class token and a square"):
        resize_positions(positions(3), tokens)
