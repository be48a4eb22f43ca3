"""Floating-point operations of a traced function, counted from its own definition.

A compiler counts a loop's body once and its own rewriting besides; here a scan counts as often as
it runs, and only matrix products and convolutions count, as is usual for the use of a device's peak
(Chowdhery et al. 2022, arXiv 2204.02311, appendix B). Knows nothing of models.
"""

import math
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.interpreters.partial_eval import dce_jaxpr


def count_flops(jaxpr: Jaxpr | ClosedJaxpr) -> int:
    """FLOPs of all devices together; a product of n pairs is 2 n.

    Args:
        jaxpr: e.g. `jax.jit(f).trace(x).jaxpr`. A branch counts as its dearest, a `while_loop`,
            whose length nobody knows, as one turn.
    """
    return sum(flops for _, flops in products(jaxpr))


def products(jaxpr: Jaxpr | ClosedJaxpr, scope: str = "") -> Iterator[tuple[str, int]]:
    """Every matrix product and convolution that counts: its `jax.named_scope`s, its FLOPs.

    What the results do not need does not count, as no compiler keeps it.

    Args:
        jaxpr: as of `count_flops`.
        scope: of what it is traced for.
    """
    inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
    needed, _ = dce_jaxpr(inner, [True] * len(inner.outvars))
    for equation in needed.eqns:
        yield from _of_equation(equation, f"{scope}/{equation.source_info.name_stack}")


def _of_equation(equation: JaxprEqn, scope: str) -> Iterator[tuple[str, int]]:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        yield scope, _of_product(equation)
        return
    if name == "conv_general_dilated":
        yield scope, _of_convolution(equation)
        return
    inside = list(_jaxprs(params.values()))
    if name == "cond":
        inside = [max(inside, key=count_flops)]
    times = params["length"] if name == "scan" else 1
    if name == "shard_map":  # its shapes are one device's
        times = params["mesh"].size
    for jaxpr in inside:
        for where, flops in products(jaxpr, scope):
            yield where, times * flops


def _of_product(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape  # type: ignore[attr-defined]
    return 2 * math.prod(_shape(equation)) * math.prod(left[axis] for axis in contracted)


def _of_convolution(equation: JaxprEqn) -> int:
    """Zeros that the input is dilated with are not multiplied by."""
    kernel = equation.invars[1].aval.shape  # type: ignore[attr-defined]
    outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    dilation = math.prod(equation.params["lhs_dilation"])
    return 2 * math.prod(_shape(equation)) * math.prod(kernel) // outputs // dilation


def _shape(equation: JaxprEqn) -> tuple[int, ...]:
    return equation.outvars[0].aval.shape  # type: ignore[attr-defined]


def _jaxprs(values: Any) -> Iterator[Jaxpr | ClosedJaxpr]:
    for value in values:
        if isinstance(value, Jaxpr | ClosedJaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _jaxprs(value)
