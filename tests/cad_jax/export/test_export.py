"""The exported detector says what this package's does, in a process that cannot import it."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from cad_jax.export.files import write_export
from cad_jax.models.cad import CAD
from cad_jax.run.placement import make_model
from data_pipelines.media.settings import PrepareSettings

pytestmark = pytest.mark.slow

# Runs `score.py` as a stranger would, with this package out of reach.
STRANGER = """
import sys

class Hidden:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("cad_jax", "data_pipelines", "flax"):
            raise ImportError(name)

sys.meta_path.insert(0, Hidden())
sys.path.insert(0, sys.argv[1])
import score
print(score.largest_difference())
"""


def detector(experiment):
    """Its structure, and random parameters, those of the adapters too."""
    model = make_model(experiment)
    keys = jax.random.split(jax.random.key(1), len(model.shapes))
    params = model.init(jax.random.key(0))
    return model, {
        name: value + 0.02 * jax.random.normal(key, value.shape)
        for key, (name, value) in zip(keys, params.items(), strict=True)
    }


def stranger(folder):
    command = [sys.executable, "-c", STRANGER, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def exported(small_experiment, tmp_path_factory):
    """A detector with adapters that can be merged and others that cannot, exported."""
    experiment = small_experiment(
        model={
            "specific_towers": ("video",),
            "specific_video": {"width": 32, "depth": 1, "heads": 2, "image_size": 32},
        }
    )
    folder = tmp_path_factory.mktemp("exported") / "detector"
    _, params = detector(experiment)
    return write_export(folder, experiment, params, PrepareSettings(), {"step": 3}), folder


def test_a_stranger_gets_the_same_scores(exported):
    _, folder = exported
    ran = stranger(folder)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 1e-5


def test_a_flipped_bit_is_refused(exported, tmp_path):
    _, folder = exported
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    arrays = bytearray((tmp_path / "parameters.safetensors").read_bytes())
    arrays[-1] ^= 1
    (tmp_path / "parameters.safetensors").write_bytes(arrays)
    ran = stranger(tmp_path)
    assert ran.stderr.splitlines()[-1].endswith(
        "parameters.safetensors is damaged: export the detector again"
    )


def test_its_facts_are_those_of_the_program(exported):
    _, folder = exported
    facts = json.loads((folder / "detector.json").read_text())
    assert facts["program"]["platforms"] == ["cpu", "cuda", "tpu"]
    assert facts["inputs"]["frames"] == {"shape": ["b", 5, 32, 32, 3], "dtype": "uint8"}
    assert facts["outputs"]["p_fake"] == {"shape": ["b"], "dtype": "float32"}
    assert facts["step"] == 3
    assert len(facts["preprocessing"]["times_s"]["frame_times"]) == 5
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "detector.jax_export",
        "detector.json",
        "example.safetensors",
        "manifest.json",
        "parameters.safetensors",
        "score.py",
    }


def test_adapters_are_merged_where_nobody_needs_the_base_pass(exported):
    program, _ = exported
    left = {name.partition("/")[0] for name in program.params if "/lora_" in name}
    assert left == {"audio_tower"}


def test_merging_changes_a_tower_by_rounding(small_experiment):
    experiment = small_experiment(
        model={
            "specific_towers": ("video",),
            "specific_video": {"width": 32, "depth": 1, "heads": 2, "image_size": 32},
        }
    )
    model, params = detector(experiment)
    merged, fewer = model.changed(params, CAD.merge_adapters)
    images = jax.random.randint(jax.random.key(2), (2, 32, 32, 3), 0, 256).astype("uint8")

    def pooled(model, params):
        return model.merge(params).specific_video_tower(images, adapted=True)[1]

    adapted, plain = pooled(model, params), pooled(merged, fewer)
    base = model.merge(params).specific_video_tower(images, adapted=False)[1]
    np.testing.assert_allclose(plain, adapted, atol=1e-5)
    assert np.abs(base - adapted).max() > 1e-3
