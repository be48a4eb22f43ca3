"""The scoring step as one portable program: StableHLO for CPUs, GPUs and TPUs, of any batch size.

Owns what goes in and what comes out. Knows nothing of files.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from cad_jax.models.cad import CAD
from cad_jax.run.judging import clip_scores
from cad_jax.run.placement import make_model
from cad_jax.settings.experiment import Experiment
from cad_jax.types import Params
from data_pipelines.loading.transforms import blank_row

PLATFORMS = ("cpu", "cuda", "tpu")
INPUTS = ("frames", "frame_mask", "mouth_frames", "mouth_mask", "waveform", "waveform_mask")
TIMES = ("frame_times", "mouth_times")  # the same for every window: in the program, not its input

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Program:
    """A detector's scoring step without its parameters.

    Attributes:
        exported: called with the parameters and the inputs, both by name.
        params: what it is called with first; adapters are merged where nobody needs the base pass.
        row: name -> one clip's blank input, whose shape and dtype all have.
        times: when the frames are shown, seconds after the window's start, [t] and [k].
    """

    exported: export.Exported
    params: dict[str, np.ndarray]
    row: Arrays
    times: Arrays


def make_program(config: Experiment, params: Params) -> Program:
    """The program of a detector.

    Args:
        config: its experiment.
        params: all of them, by name.

    Returns:
        Inputs are those keys of `data_pipelines.loading.batch.ClipBatch` that are in `INPUTS`, with
        a symbolic number b of clips; outputs are `run.judging.clip_scores`.
    """
    model, merged = make_model(config).changed(params, CAD.merge_adapters)
    blank = blank_row(config.data.clip, -1)
    times = {name: blank[name] for name in TIMES}

    def score(params: Params, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        clips = inputs["frames"].shape[0]
        shown = {name: jnp.broadcast_to(time, (clips, *time.shape)) for name, time in times.items()}
        there = {
            "has_video": jnp.any(inputs["frame_mask"], axis=1),
            "has_audio": jnp.any(inputs["waveform_mask"], axis=1),
        }
        batch = inputs | shown | there
        return clip_scores(model.merge(params)(batch), batch)

    row = {name: blank[name] for name in INPUTS}
    (clips,) = export.symbolic_shape("b")
    shapes = {
        name: jax.ShapeDtypeStruct((clips, *value.shape), value.dtype)
        for name, value in row.items()
    }
    host = {name: np.asarray(value) for name, value in jax.device_get(merged).items()}
    exported = export.export(jax.jit(score), platforms=PLATFORMS)(host, shapes)
    return Program(exported, host, row, times)


def example_inputs(row: Arrays, seed: int = 0) -> dict[str, np.ndarray]:
    """Noise in three clips: with everything, without picture, without sound.

    Args:
        row: one clip's input, as `Program.row`.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)

    def noise(value: np.ndarray) -> np.ndarray:
        shape = (3, *value.shape)
        if value.dtype == np.uint8:
            return rng.integers(0, 256, shape, np.uint8)
        return rng.normal(0, 0.1, shape).astype(value.dtype)

    inputs = {name: noise(value) for name, value in row.items() if not name.endswith("_mask")}
    masks = {name: np.ones((3, *row[name].shape), bool) for name in row if name.endswith("_mask")}
    masks["frame_mask"][1] = masks["mouth_mask"][1] = masks["waveform_mask"][2] = False
    return inputs | masks
