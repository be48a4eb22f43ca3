"""The step by its parts."""

import pytest

from cad_jax.flops import count_flops, products
from cad_jax.lab.step_parts import OTHER, PARTS, by_part, part_lines, part_of
from cad_jax.parallel.mesh import make_mesh
from cad_jax.run.placement import make_model
from cad_jax.training.learner import Learner, traced_step


def test_a_name_says_its_parts_once_and_in_order():
    assert part_of("jit(step)/transpose(jvp(vit))/while/body/attention/dot_general") == (
        "vit/attention"
    )
    assert part_of("jit(step)/jvp(fusion)/fusion/mlp/add") == "fusion/mlp"
    assert part_of("jit(step)/mul") == OTHER
    assert part_of("jit(step)/attentions/mul") == OTHER


def test_shares_are_of_the_whole():
    lines = list(part_lines({"vit": 3_000_000_000, OTHER: 1_000_000_000}, {"vit": 10**9}, 2))
    assert lines[1].split() == ["vit", "1.5", "75.0%", "1.000", "100.0%"]
    assert lines[-1].split() == ["all", "2.0", "1.000"]


@pytest.mark.slow
def test_the_model_names_every_part(small_experiment):
    traced = traced_step(
        Learner(config := small_experiment(), mesh := make_mesh(), make_model(config))
    )
    flops = by_part(products(traced.jaxpr))
    assert mesh.size > 1
    assert sum(flops.values()) == count_flops(traced.jaxpr)
    assert flops[OTHER] < 0.02 * sum(flops.values())
    program = traced.lower().as_text(debug_info=True)
    assert [part for part in PARTS if f"{part}" not in program] == []
