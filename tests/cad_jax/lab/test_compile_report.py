"""The cost of a step, from its compilation alone."""

from types import SimpleNamespace

import jax
import pytest

from cad_jax.lab import compile_report as module
from cad_jax.lab.compile_report import (
    MemoryFault,
    compile_lowered,
    compile_report,
    count_collectives,
    largest_batch,
)
from data_pipelines.errors import UserError

pytestmark = pytest.mark.slow

PROGRAM = """
  %all-reduce.1 = f32[8,16]{1,0} all-reduce(%dot), replica_groups={{0,1}}, to_apply=%add
  %pair = (bf16[4]{0}, pred[2,2]{1,0}) all-reduce(%a, %b), to_apply=%add
  %start = f32[3]{0} all-gather-start(%c), dimensions={0}
  %done = f32[3]{0} all-gather-done(%start)
  %fusion = f32[99]{0} fusion(%all-reduce.1), calls=%all-reduce-like
"""


def test_collectives_are_counted_with_their_bytes():
    assert count_collectives(PROGRAM) == {
        "all-gather": (1, 12),
        "all-reduce": (2, 8 * 16 * 4 + 4 * 2 + 4),
    }


def test_what_is_frozen_costs_neither_gradient_nor_optimiser(small_experiment):
    frozen = {"trainable": [["lora_", True], ["_tower/", False], [".*", True]]}
    mesh = {"mesh": {"data": 1, "fsdp": 8}}
    adapted = compile_report(small_experiment(optimizer=frozen, **mesh))
    whole = compile_report(small_experiment(**mesh))
    assert adapted.trainable + adapted.frozen == whole.trainable
    assert adapted.trainable < whole.trainable
    assert whole.frozen == whole.frozen_bytes == 0
    # float32 parameters, Adam's two moments and three counters: the step's, Adam's, the schedule's
    assert adapted.state_bytes == 3 * 4 * adapted.trainable + 3 * 4
    assert adapted.flops_per_clip < whole.flops_per_clip
    assert sum(size for _, size in adapted.collectives.values()) < sum(
        size for _, size in whole.collectives.values()
    )


def test_a_mesh_of_other_devices_is_refused(small_experiment):
    config = small_experiment(mesh={"data": 1, "fsdp": 1})
    with pytest.raises(UserError, match=r"mesh data=1, fsdp=1 does not divide 8 device\(s\)"):
        compile_report(config)


def test_a_batch_that_does_not_divide_is_refused(small_experiment):
    with pytest.raises(UserError, match="12 clips does not divide by 8 devices"):
        compile_report(small_experiment(data={"batch_size": 12}))


def test_the_batch_is_doubled_until_it_does_not_fit(small_experiment, monkeypatch):
    tried = []

    def report(config, devices, *, quick):
        tried.append(config.data.batch_size)
        if config.data.batch_size > 40:
            raise MemoryFault("does not fit")
        return SimpleNamespace(chip=None)

    monkeypatch.setattr(module, "topology_devices", lambda name, slices: None)
    monkeypatch.setattr(module, "_report", report)
    batches = list(largest_batch(small_experiment(data={"batch_size": 16}), "v5e:2x4"))
    assert tried == [clips for clips, _ in batches] == [16, 32, 64]
    assert [found is not None for _, found in batches] == [True, True, False]


@pytest.mark.parametrize(
    "words",
    [
        "Ran out of memory in memory space hbm. Used 48.91G of 15.75G hbm. Exceeded",
        "Ran out of memory on HBM, the total memory required for HLO temporaries (48.91G) "
        "exceeds available HBM (15.75G).",
    ],
)
def test_what_does_not_fit_is_refused_with_its_figure(words):
    def compile(options):
        raise jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: {words}")

    with pytest.raises(MemoryFault, match=r"needs 48.91G of a device's 15.75G bytes; lower data"):
        compile_lowered(SimpleNamespace(compile=compile), quick=True)
