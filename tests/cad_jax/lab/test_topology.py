"""Devices that are not at hand: their names, and their compilers where these are installed."""

import importlib.util
import json
import subprocess
import sys

import pytest

from cad_jax.lab.topology import gpu_target, topology_devices
from cad_jax.telemetry.chips import chip_of
from data_pipelines.errors import UserError

has_libtpu = importlib.util.find_spec("libtpu") is not None


@pytest.mark.parametrize("name", ["v5e", "4x4", "v5e:4by4", "h100", "h100:two", "rtx:1", ""])
def test_a_name_that_says_nothing_is_refused(name):
    with pytest.raises(UserError, match="topology"):
        topology_devices(name)


@pytest.mark.parametrize(
    ("kind", "name"), [("a100", "NVIDIA A100"), ("h100", "NVIDIA H100"), ("h200", "NVIDIA H200")]
)
def test_the_compiler_plans_for_the_memory_that_the_report_compares_with(kind, name):
    chip, target = chip_of(name), gpu_target(kind)
    assert chip is not None
    assert f"device_memory_size: {chip.memory}\n" in target
    assert f"memory_bandwidth: {chip.bandwidth:.0f} " in target


@pytest.mark.skipif(has_libtpu, reason="the TPU compiler is installed")
def test_a_missing_compiler_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"pip install 'cad-jax\[tpu\]'"):
        topology_devices("v5e:4x4")


@pytest.mark.slow
@pytest.mark.skipif(not has_libtpu, reason="TPU compiler: pip install cad-jax[tpu]")
def test_a_tpu_gathers_weights_and_scatters_gradients(small_experiment, tmp_path):
    config = small_experiment(
        data={"batch_size": 16}, mesh={"data": 1, "fsdp": 4, "shard_from": 512}
    )
    script = "\n".join(
        [
            "import json, sys",
            "from cad_jax.lab.compile_report import compile_report",
            "from cad_jax.settings.experiment import Experiment",
            "report = compile_report(Experiment.from_mapping(json.loads(sys.argv[1])), 'v5e:2x2')",
            "print(json.dumps([report.collectives, report.chip.memory, report.lines()]))",
        ]
    )
    arguments = [sys.executable, "-c", script, json.dumps(config.to_mapping())]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=300)
    collectives, memory, lines = json.loads(done.stdout)
    assert memory == 16 * 2**30
    assert any("fits: " in line for line in lines)
    assert {"all-gather", "collective-permute", "reduce-scatter"} & set(collectives)
    activations = 16 * 5 * 32 * 4  # bytes of the whole batch's frames, narrowest
    assert collectives["all-gather"][1] / collectives["all-gather"][0] < activations
