"""Rule tables: first match wins, and nothing is left without a rule or a rule without use."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from cad_jax.parallel.mesh import make_mesh
from cad_jax.parallel.rules import RuleError, fsdp_spec, match_rules, parameter_shardings

NAMES = ["tower/blocks/0/query/kernel", "tower/blocks/0/query/lora_a", "head/bias"]


def test_first_match_decides():
    values = match_rules([("lora", 1), ("tower", 2), (".*", 3)], NAMES, table="rate")
    assert values == {NAMES[0]: 2, NAMES[1]: 1, NAMES[2]: 3}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([("tower", 1)], "no rule for parameter 'head/bias'"),
        ([("vision", 1), (".*", 2)], "'vision' decides no parameter"),
        ([("lora", 1), ("lora_a", 2), (".*", 2)], "'lora_a' decides no parameter"),
        ([("(", 1)], "is no expression"),
    ],
)
def test_tables_that_do_not_fit_are_refused(rules, message):
    with pytest.raises(RuleError, match=message.replace("(", r"\(")):
        match_rules(rules, NAMES, table="rate")


def test_fsdp_shards_the_largest_dividing_dimension():
    mesh = make_mesh(data=2, fsdp=4)
    assert fsdp_spec((12, 7), mesh) == PartitionSpec("fsdp")
    assert fsdp_spec((8, 16), mesh) == PartitionSpec(None, "fsdp")
    assert fsdp_spec((3, 5), mesh) == PartitionSpec()
    assert fsdp_spec((), mesh) == PartitionSpec()
    assert fsdp_spec((8,), make_mesh(data=8, fsdp=1)) == PartitionSpec()


def test_parameters_are_placed_by_rule():
    mesh = make_mesh(data=2, fsdp=4)
    params = {name: jax.ShapeDtypeStruct((8, 16), jnp.float32) for name in NAMES}
    placed = parameter_shardings([("kernel", "fsdp"), (".*", "replicate")], params, mesh)
    assert placed[NAMES[0]].spec == PartitionSpec(None, "fsdp")
    assert placed[NAMES[1]].spec == placed[NAMES[2]].spec == PartitionSpec()
    with pytest.raises(RuleError, match="'shard' is none of"):
        parameter_shardings([(".*", "shard")], params, mesh)
