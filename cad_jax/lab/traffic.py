"""What a compiled program moves between a device's memory and its cores, operation by operation.

A compiler's own sum counts a loop's body once and fast memory as slow; here a body counts as often
as it runs, and buffers in fast memory only where that is asked for. Reads HLO text of TPU and GPU
programs; knows nothing of models.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

_COMPUTATION = re.compile(r"^(ENTRY )?%(\S+) \(.*\{$")
_OPERATION = re.compile(r"^\s*(ROOT )?%(\S+) = (.*?) ([a-z][\w-]*)\((.*)$")
_CALLED = re.compile(r"(?:calls|body|to_apply|true_computation|false_computation)=%([\w.-]+)")
_CONDITION = re.compile(r"condition=%([\w.-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_NAME = re.compile(r'op_name="([^"]*)"')
_OPERAND = re.compile(r"%([\w.-]+)")
_BUFFER = re.compile(r"(pred|[a-z]+[0-9]+)\w*\[([0-9,]*)\](\{[^}]*\})?")
_FAST = re.compile(r"S\([1-9]\d*\)")  # a memory space that is not the main one
_WHOLE = re.compile(r"s32\[\]\S* constant\((\d+)\)")

# Nothing moves: names of buffers, and the ends of what was counted at its start.
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id",
    "iota", "opt-barrier",
}  # fmt: skip
_SLICES = ("dynamic-slice", "slice", "gather")


@dataclasses.dataclass(frozen=True)
class Move:
    """One operation of the program, with all its turns.

    Attributes:
        name: where it comes from, `jit(step)/jvp(vit)/dot_general`; of several fused, of the last.
        kind: of operation, as the compiler names it.
        size: bytes read and written, all turns together.
    """

    name: str
    kind: str
    size: int


@dataclasses.dataclass(frozen=True)
class _Operation:
    name: str
    result: str
    kind: str
    rest: str
    root: bool

    @property
    def operands(self) -> list[str]:
        return _OPERAND.findall(self.rest.partition(")")[0])


_Computation = dict[str, _Operation]


def moves(program: str, *, everywhere: bool = False) -> Iterator[Move]:
    """Every operation of one device's program that moves something.

    Args:
        program: HLO text after compilation, `jax.stages.Compiled.as_text()`.
        everywhere: buffers in fast memory count, too, as in a compiler's "bytes accessed".
    """
    computations, entry = _parse(_FAST.sub("", program) if everywhere else program)
    yield from _moves(computations, entry, 1)


def _parse(program: str) -> tuple[dict[str, _Computation], str]:
    computations: dict[str, _Computation] = {}
    current: _Computation = {}
    entry = ""
    for line in program.splitlines():
        if head := _COMPUTATION.match(line):
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif found := _OPERATION.match(line):
            root, name, result, kind, rest = found.groups()
            current[name] = _Operation(name, result, kind, rest, bool(root))
    return computations, entry


def _moves(computations: Mapping[str, _Computation], name: str, times: int) -> Iterator[Move]:
    computation = computations[name]
    for operation in computation.values():
        kind = operation.kind
        if kind in _FREE or kind.endswith("-done"):
            continue
        if kind in ("while", "call", "conditional"):
            turns = times * _turns(computations, operation)
            for inner in _inner(operation):
                yield from _moves(computations, inner, turns)
            continue
        if size := _size(computations, computation, operation):
            origin = _NAME.search(operation.rest)
            yield Move(origin[1] if origin else "", kind, times * size)


def _inner(operation: _Operation) -> list[str]:
    names = _CALLED.findall(operation.rest)
    if branches := _BRANCHES.search(operation.rest):
        names += _OPERAND.findall(branches[1])
    return names


def _turns(computations: Mapping[str, _Computation], operation: _Operation) -> int:
    """How often a loop runs: what its counter is compared with."""
    condition = _CONDITION.search(operation.rest)
    if not condition:
        return 1
    inside = computations[condition[1]].values()
    texts = (f"{o.result} {o.kind}({o.rest}" for o in inside)
    return max((int(found[1]) for text in texts if (found := _WHOLE.search(text))), default=1)


def _size(
    computations: Mapping[str, _Computation], computation: _Computation, operation: _Operation
) -> int:
    operands = [computation[name].result for name in operation.operands if name in computation]
    kind, result = operation.kind, operation.result
    if kind in _SLICES:
        return _slow(operands[0], _elements(result)) + _slow(result)
    if kind == "dynamic-update-slice":
        return _slow(operands[1]) + _slow(operands[0], _elements(operands[1]))
    if kind.endswith("-start"):  # the result lists what is read, too
        buffers = [b for b in _BUFFER.finditer(result) if b[1] != "u32" or b[2]]
        least = min((math.prod(_lengths(b)) for b in buffers[:2]), default=0)
        return sum(_bytes(b, least) for b in buffers[:2])
    if kind != "fusion":
        return sum(map(_slow, operands)) + _slow(result)
    inside = _fused(computations, operation)
    read = (_slow(shape, _taken(computations, inside, i)) for i, shape in enumerate(operands))
    written = zip(_BUFFER.finditer(result), _given(computations, inside), strict=True)
    return sum(read) + sum(_bytes(buffer, most) for buffer, most in written)


def _fused(computations: Mapping[str, _Computation], operation: _Operation) -> _Computation:
    return computations[_CALLED.findall(operation.rest)[0]]


def _taken(computations: Mapping[str, _Computation], inside: _Computation, index: int) -> float:
    """Elements that a fusion reads of an operand: of a stacked array the slices that it takes."""
    parameters = (o for o in inside.values() if o.kind == "parameter")
    name = next(o.name for o in parameters if int(o.rest.partition(")")[0]) == index)
    return _used(computations, inside, name)


def _used(computations: Mapping[str, _Computation], inside: _Computation, name: str) -> float:
    total = 0.0
    for user in inside.values():
        for place in (i for i, operand in enumerate(user.operands) if operand == name):
            if user.kind in _SLICES and place == 0:
                total += _elements(user.result)
            elif user.kind == "bitcast":
                total += _used(computations, inside, user.name)
            elif user.kind == "fusion":
                total += _taken(computations, _fused(computations, user), place)
            elif user.kind != "dynamic-update-slice" or place > 0:
                return math.inf
    return total


def _given(computations: Mapping[str, _Computation], inside: _Computation) -> list[float]:
    """Elements that a fusion writes of each result: of an array that it changes, the change."""
    root = next(o for o in inside.values() if o.root)
    if root.kind == "tuple":
        return [_change(computations, inside, name) for name in root.operands]
    if root.kind == "fusion":
        return _given(computations, _fused(computations, root))
    return [_change(computations, inside, root.name)]


def _change(computations: Mapping[str, _Computation], inside: _Computation, name: str) -> float:
    operation = inside[name]
    if operation.kind == "dynamic-update-slice":
        return float(_elements(inside[operation.operands[1]].result))
    if operation.kind == "bitcast":
        return _change(computations, inside, operation.operands[0])
    if operation.kind == "fusion":
        changes = _given(computations, _fused(computations, operation))
        return changes[0] if len(changes) == 1 else math.inf
    return math.inf


def _slow(shape: str, most: float = math.inf) -> int:
    """Bytes of a shape's buffers in main memory, of each at most so many elements."""
    return sum(_bytes(buffer, most) for buffer in _BUFFER.finditer(shape))


def _bytes(buffer: re.Match[str], most: float = math.inf) -> int:
    if buffer[3] and _FAST.search(buffer[3]):
        return 0
    digits = re.sub("[a-z]+", "", buffer[1], count=1)
    bits = 8 if buffer[1] == "pred" else int(digits)
    return int(min(math.prod(_lengths(buffer)), most)) * bits // 8


def _elements(shape: str) -> int:
    return sum(math.prod(_lengths(buffer)) for buffer in _BUFFER.finditer(shape))


def _lengths(buffer: re.Match[str]) -> list[int]:
    return [int(length) for length in buffer[2].split(",") if length]
