"""CLIP's learned positions for images of another size.

Bicubic, as transformers does it and timm (without antialiasing): torch's kernel (a = -0.75), half
pixel centres, edges repeated. `jax.image.resize` has another kernel (a = -0.5).
"""

import math

import numpy as np
from jaxtyping import Float

_A = -0.75


def resize_positions(
    positions: Float[np.ndarray, "n d"], tokens: int
) -> Float[np.ndarray, "tokens d"]:
    """Positions of a square grid behind the class token's, which is kept.

    Args:
        positions: of 1 + k * k tokens.
        tokens: how many are wanted, 1 + j * j.

    Raises:
        ValueError: either is not one more than a square.
    """
    old, new = (_side(count) for count in (len(positions), tokens))
    weights = _bicubic(old, new)
    grid = positions[1:].reshape(old, old, -1).astype(np.float32)
    resized = np.einsum("io,jp,opd->ijd", weights, weights, grid, optimize=True)
    both = [positions[:1].astype(np.float32), resized.reshape(new * new, -1)]
    return np.concatenate(both).astype(np.float32)


def _side(tokens: int) -> int:
    side = math.isqrt(max(tokens - 1, 0))
    if side < 1 or side * side != tokens - 1:
        raise ValueError(f"resize_positions: {tokens} positions are no class token and a square")
    return side


def _bicubic(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """How much each old place counts at each new one."""
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(centres).astype(int)
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        distance = np.abs(centres - (first + tap))
        near = (_A + 2) * distance**3 - (_A + 3) * distance**2 + 1
        far = _A * (distance**3 - 5 * distance**2 + 8 * distance - 4)
        place = np.clip(first + tap, 0, old - 1)
        np.add.at(weights, (np.arange(new), place), np.where(distance <= 1, near, far))
    return weights.astype(np.float32)
