"""Small detectors of every kind and batches for them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.cad import CAD
from cad_jax.settings.model import CADConfig, LoRAConfig, ViTConfig, WhisperConfig
from cad_jax.types import Outputs

SECONDS, FRAMES, DENSE, IMAGE, MOUTH = 0.8, 4, 20, 32, 8
BINS, SAMPLES = int(SECONDS * 25), int(SECONDS * 16_000)


@pytest.fixture(scope="session")
def shared_config() -> CADConfig:
    """The paper's form: one tower a modality, adapted for the specific path."""
    return CADConfig(
        video=ViTConfig(image_size=IMAGE, patch_size=8, width=32, depth=1, heads=2),
        audio=WhisperConfig(mels=16, width=32, depth=1, heads=2, max_tokens=100),
        lora=LoRAConfig(rank=2, targets=("query", "value", "up", "down")),
        width=32,
        heads=2,
        embedding=16,
        fusion_depth=1,
    )


@pytest.fixture(scope="session")
def separate_config() -> CADConfig:
    """The from-scratch form: mouth crops for alignment, faces with residuals for the specific."""
    small = {"width": 32, "depth": 1, "heads": 2, "stem": "conv", "pool": "mean_max"}
    audio = WhisperConfig(mels=16, width=32, depth=1, heads=2, max_tokens=100)
    return CADConfig(
        video=ViTConfig(image_size=MOUTH, patch_size=4, **small),
        audio=audio,
        specific_towers=("video", "audio"),
        specific_video=ViTConfig(image_size=IMAGE, patch_size=8, residual=True, **small),
        specific_audio=audio,
        texture_statistics=True,
        verdict="joint",
        voice_statistics=True,
        lora=LoRAConfig(rank=0),
        width=32,
        heads=2,
        embedding=16,
        temporal_depth=1,
        centre_time=True,
        fusion_depth=1,
    )


@pytest.fixture(scope="session")
def make_batch():
    """`make_batch(dense=True, size=3)`: random clips with everything there; mouths where dense."""

    def make(dense: bool, size: int = 3, seed: int = 0) -> dict[str, jax.Array]:
        rng = np.random.default_rng(seed)
        mouths = DENSE if dense else 0
        spread = np.arange(FRAMES) * (BINS // FRAMES) / 25
        batch = {
            "frames": rng.integers(0, 256, (size, FRAMES, IMAGE, IMAGE, 3), np.uint8),
            "frame_times": np.tile(spread.astype(np.float32), (size, 1)),
            "frame_mask": np.ones((size, FRAMES), bool),
            "mouth_frames": rng.integers(0, 256, (size, mouths, MOUTH, MOUTH, 3), np.uint8),
            "mouth_times": np.tile(np.arange(mouths, dtype=np.float32) / 25, (size, 1)),
            "mouth_mask": np.ones((size, mouths), bool),
            "waveform": rng.normal(0, 0.1, (size, SAMPLES)).astype(np.float32),
            "waveform_mask": np.ones((size, BINS), bool),
            "has_video": np.ones(size, bool),
            "has_audio": np.ones(size, bool),
        }
        return {name: jnp.asarray(value) for name, value in batch.items()}

    return make


def as_dict(outputs: Outputs) -> dict[str, jax.Array]:
    """A plain dictionary: JAX also rebuilds trees around what the checked dataclass refuses."""
    return dict(vars(outputs))


@pytest.fixture(scope="session")
def apply():
    """`apply(config)` -> (state, jitted function of state and batch), made once a configuration."""

    @functools.cache
    def make(config: CADConfig):
        graphdef, state = nnx.split(CAD(config, rngs=nnx.Rngs(0)))
        return state, jax.jit(lambda s, batch: as_dict(nnx.merge(graphdef, s)(batch)))

    return make


@pytest.fixture(scope="session")
def differentiate(apply):
    """`differentiate(config)` -> jitted gradient, by the state, of a sum over every output."""

    @functools.cache
    def make(config: CADConfig):
        _, run = apply(config)

        def total(state, batch):
            outputs = jax.tree.leaves(run(state, batch))
            floats = [x for x in outputs if jnp.issubdtype(x.dtype, jnp.floating)]
            return sum(jnp.sum(x * jnp.cos(3 * x + 1)) for x in floats)

        return jax.jit(jax.grad(total))

    return make


@pytest.fixture(scope="session")
def abstract():
    """`abstract(config, batch)` -> shapes of the parameters by name, and of the outputs."""

    def make(config: CADConfig, batch: dict[str, jax.Array]):
        graphdef, state = nnx.split(nnx.eval_shape(lambda: CAD(config, rngs=nnx.Rngs(0))))
        outputs = jax.eval_shape(lambda s, b: as_dict(nnx.merge(graphdef, s)(b)), state, batch)
        shapes = {
            "/".join(map(str, path)): variable.get_value()
            for path, variable in nnx.to_flat_state(state)
        }
        return shapes, outputs

    return make
