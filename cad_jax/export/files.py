"""An exported detector on disk: program, parameters, facts, an example, and the code that runs it.

Owns that form; `score.py`, which goes along, reads it without this package.
"""

import pathlib
import shutil
from typing import Any

import jax
import numpy as np

from cad_jax.export.program import PLATFORMS, Program, example_inputs, make_program
from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.manifest import write_manifest
from cad_jax.run.scores import Scores
from cad_jax.run.scoring import make_scorer
from cad_jax.settings.experiment import Experiment
from cad_jax.settings.structure import unstructure
from cad_jax.types import Params
from cad_jax.weights.safetensors_files import write_arrays
from data_pipelines.loading.transforms import blank_row
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.atomic import atomic_folder, write_json
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE

PROGRAM, ARRAYS, FACTS, EXAMPLE = (
    "detector.jax_export",
    "parameters.safetensors",
    "detector.json",
    "example.safetensors",
)
_BESIDE = pathlib.Path(__file__).parent
_COPIED = ("score.py", "README.md")


def write_export(
    folder: pathlib.Path,
    config: Experiment,
    params: Params,
    settings: PrepareSettings,
    facts: dict[str, Any],
) -> Program:
    """Writes a detector as a folder that needs nothing of this package; whole or not at all.

    Args:
        folder: to be made; may be there if it is empty.
        config: the detector's experiment.
        params: all of them, by name.
        settings: how files become its clips.
        facts: what else `detector.json` shall say, JSON-ready.

    Raises:
        OSError: it cannot be written, or it holds something.
    """
    params = jax.device_put(jax.device_get(params), jax.devices()[0])
    program = make_program(config, params)
    inputs = example_inputs(program.row)
    scores = _scores(config, params, inputs)
    with atomic_folder(folder) as partial:
        (partial / PROGRAM).write_bytes(program.exported.serialize())
        write_arrays(program.params, partial / ARRAYS)
        example = {f"inputs/{name}": value for name, value in inputs.items()}
        write_arrays(example | {f"scores/{n}": x for n, x in scores.items()}, partial / EXAMPLE)
        write_json(_describe(program, config, settings) | facts, partial / FACTS)
        for name in _COPIED:
            shutil.copyfile(_BESIDE / name, partial / name)
        write_manifest(partial, None)
    return program


def _scores(config: Experiment, params: Params, inputs: dict[str, np.ndarray]) -> Scores:
    """What this package says of the inputs."""
    clips = len(inputs["frames"])
    blank = blank_row(config.data.clip, -1)
    there = {
        "valid": np.ones(clips, bool),
        "has_video": inputs["frame_mask"].any(axis=1),
        "has_audio": inputs["waveform_mask"].any(axis=1),
    }
    batch = {name: np.stack([value] * clips) for name, value in blank.items()} | inputs | there
    scorer = make_scorer(config, make_mesh(devices=jax.devices()[:1]))
    scores = scorer.batch(params, batch)  # type: ignore[arg-type]
    scores.pop("clip_index")
    return scores


def _describe(program: Program, config: Experiment, settings: PrepareSettings) -> dict[str, Any]:
    exported = program.exported
    (_, inputs), _ = jax.tree.unflatten(exported.in_tree, exported.in_avals)
    outputs = jax.tree.unflatten(exported.out_tree, exported.out_avals)

    return {
        "program": {
            "file": PROGRAM,
            "platforms": list(PLATFORMS),
            "calling_convention": exported.calling_convention_version,
            "jax": jax.__version__,
        },
        "inputs": {name: _form(value) for name, value in inputs.items()},
        "outputs": {name: _form(value) for name, value in outputs.items()},
        "preprocessing": {
            "frame_rate_hz": FRAME_RATE,
            "sample_rate_hz": SAMPLE_RATE,
            "clip": unstructure(config.data.clip),
            "times_s": {name: time.tolist() for name, time in program.times.items()},
            "preparation": unstructure(settings),
        },
    }


def _form(value: Any) -> dict[str, Any]:
    """Shape, with `b` for the number of clips, and dtype."""
    sizes = [size if isinstance(size, int) else str(size) for size in value.shape]
    return {"shape": sizes, "dtype": str(value.dtype)}
