"""Ordered (pattern, value) tables over parameter names: for sharding, freezing and rates.

A name is the parameter's path, `video_tower/blocks/0/attention/query/kernel`. The first pattern
that is found in it (`re.search`) decides. A name without a rule and a rule without a name are
errors, so that a renamed layer can never silently lose its sharding or start to train.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cad_jax.parallel.mesh import FSDP
from data_pipelines.errors import UserError

T = TypeVar("T")
Rules = Sequence[tuple[str, T]]

SHARDINGS = ("replicate", "fsdp")


class RuleError(UserError):
    """A rule table does not fit the parameters."""


def match_rules(rules: Rules[T], names: Iterable[str], *, table: str) -> dict[str, T]:
    """The value of the first matching rule for every name.

    Args:
        rules: ordered (regular expression, value) pairs.
        names: parameter names.
        table: what the rules decide, for the error message.

    Raises:
        RuleError: a name without rule, a rule that decides nothing, or a broken expression.
    """
    try:
        compiled = [(re.compile(pattern), value) for pattern, value in rules]
    except re.error as error:
        raise RuleError(f"{table} rules: {error.pattern!r} is no expression: {error}") from None
    values, used = {}, set()
    for name in names:
        for index, (pattern, value) in enumerate(compiled):
            if pattern.search(name):
                values[name] = value
                used.add(index)
                break
        else:
            raise RuleError(f"{table} rules: no rule for parameter {name!r}; end with ('.*', ...)")
    if unused := [rules[i][0] for i in range(len(rules)) if i not in used]:
        raise RuleError(f"{table} rules: {unused[0]!r} decides no parameter; remove or correct it")
    return values


def fsdp_spec(shape: Sequence[int], mesh: Mesh, least: int = 0) -> PartitionSpec:
    """Shards the largest dimension that the `fsdp` axis divides; replicates where there is none.

    Arrays of fewer than `least` entries are replicated: gathering them costs more than it saves.
    """
    size = mesh.shape[FSDP]
    fitting = [i for i, length in enumerate(shape) if length % size == 0 and length >= size]
    if size == 1 or not fitting or math.prod(shape) < least:
        return PartitionSpec()
    largest = max(fitting, key=lambda i: (shape[i], i))
    return PartitionSpec(*(FSDP if i == largest else None for i in range(largest + 1)))


def parameter_shardings(
    rules: Rules[str], params: Mapping[str, jax.ShapeDtypeStruct], mesh: Mesh, *, least: int = 0
) -> dict[str, NamedSharding]:
    """Where each parameter lives on the mesh, by `replicate` or `fsdp` rules; see `fsdp_spec`.

    Raises:
        RuleError: as `match_rules`, or a value that is neither of the two.
    """
    tactics = match_rules(rules, params, table="sharding")
    if unknown := set(tactics.values()) - set(SHARDINGS):
        raise RuleError(f"sharding rules: {unknown.pop()!r} is none of {', '.join(SHARDINGS)}")
    return {
        name: NamedSharding(
            mesh,
            fsdp_spec(params[name].shape, mesh, least) if tactic == "fsdp" else PartitionSpec(),
        )
        for name, tactic in tactics.items()
    }
