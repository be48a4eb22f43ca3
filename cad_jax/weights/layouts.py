"""How a publisher names and shapes the parameters of a tower of ours, both ways.

A table: our name -> theirs, and the form of their array. `{n}` is a block's number. Everything of
theirs that is no parameter of ours stands in it too, by pattern, so that a name nobody thought of
is noticed. Owns the tables' parts, of which each kind of tower makes its own.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from cad_jax.weights.published import PublishedWeights, WeightsError


@dataclasses.dataclass(frozen=True)
class Form:
    """How their arrays become one of ours, and back; no way back from a part of theirs.

    What writes gives as many of the arrays that are read as it can tell, the first ones.
    """

    read: Callable[..., np.ndarray]
    write: Callable[[np.ndarray], tuple[np.ndarray, ...]] | None = None


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a parameter of ours comes from: their names, mostly one, and their arrays' form."""

    names: tuple[str, ...]
    form: Form

    @classmethod
    def of(cls, name: str, form: Form) -> "Origin":
        """From one array of theirs."""
        return cls((name,), form)

    def block(self, n: int) -> "Origin":
        """That of the n-th block."""
        return Origin(tuple(name.replace("{n}", str(n)) for name in self.names), self.form)

    def read(self, tensors: Mapping[str, Callable[[], np.ndarray]]) -> np.ndarray:
        """The parameter; raises ValueError where an array has not the form's dimensions."""
        return self.form.read(*(tensors[name]() for name in self.names))


@dataclasses.dataclass(frozen=True)
class Layout:
    """One publisher's names.

    Attributes:
        publisher: for messages.
        parameters: our name -> where it comes from.
        positions: their name of the positions, by which the layout is recognised.
        not_ours: patterns of whole names: other towers, projections, buffers.
        stated: gives our settings as their files state them beside the arrays' shapes.
    """

    publisher: str
    parameters: Mapping[str, Origin]
    positions: str
    not_ours: tuple[str, ...]
    stated: Callable[[PublishedWeights], dict[str, Any]]

    def origins(self, depth: int) -> dict[str, Origin]:
        """The table of a tower with this many blocks."""
        table = {}
        for ours, origin in self.parameters.items():
            for n in range(depth) if "{n}" in ours else (0,):
                table[ours.replace("{n}", str(n))] = origin.block(n)
        return table

    def depth(self, names: Iterable[str]) -> int:
        """How many blocks these names belong to."""
        theirs = self.parameters["blocks/{n}/mlp/up/bias"].names[0]
        pattern = re.compile(re.escape(theirs).replace(re.escape("{n}"), r"(\d+)"))
        return len({found[1] for name in names if (found := pattern.fullmatch(name))})

    def unknown(self, names: Iterable[str], depth: int) -> list[str]:
        """Names that are neither a parameter of ours nor known not to be."""
        known = {name for origin in self.origins(depth).values() for name in origin.names}
        known.add(self.positions)
        not_ours = re.compile("|".join(self.not_ours))
        return [name for name in names if name not in known and not not_ours.fullmatch(name)]

    def shape(self, published: PublishedWeights, ours: str, rank: int) -> tuple[int, ...]:
        """The shape that a parameter of ours has in these weights; of block 0 for `{n}`.

        Raises:
            WeightsError: it has not `rank` dimensions.
        """
        origin = self.origins(1)[ours.replace("{n}", "0")]
        try:
            shape = origin.read(published.tensors).shape
        except ValueError:
            shape = ()
        if len(shape) != rank:
            name = origin.names[0]
            theirs = published.tensors[name]().shape
            raise WeightsError(f"{published.path}: {name} has shape {theirs}")
        return shape

    def export(self, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Our parameters under their names: the inverse of reading.

        Raises:
            ValueError: this layout joins parameters of ours into one array.
        """
        depth = len({name.split("/")[1] for name in params if name.startswith("blocks/")})
        exported = {}
        for ours, origin in self.origins(depth).items():
            if origin.form.write is None:
                raise ValueError(
                    f"cannot export to {self.publisher}'s layout: {origin.names[0]} is several of "
                    "ours"
                )
            written = origin.form.write(np.asarray(params[ours]))
            exported |= dict(zip(origin.names, written, strict=False))
        return exported


def _unchanged(x: np.ndarray) -> np.ndarray:
    return x


def one_array(
    read: Callable[[np.ndarray], np.ndarray], write: Callable[[np.ndarray], np.ndarray]
) -> Form:
    """The form of one array of theirs."""
    return Form(read, lambda x: (write(x),))


def _reversed_axes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.T)


def _from_patches(x: np.ndarray) -> np.ndarray:
    """[d 3 p p] to one row for every row, column and channel of a patch."""
    return np.ascontiguousarray(x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0]))


def _to_patches(x: np.ndarray) -> np.ndarray:
    side = math.isqrt(x.shape[0] // 3)
    return np.ascontiguousarray(x.reshape(side, side, 3, -1).transpose(3, 2, 0, 1))


def _third(index: int) -> Form:
    """Query, key or value of a joint array, [3d d] or [3d]."""
    return Form(lambda x: np.ascontiguousarray(np.split(x, 3)[index].T))


AS_IT_IS = one_array(_unchanged, _unchanged)
REVERSED = one_array(_reversed_axes, _reversed_axes)  # [out in] and [out in k]: ours the other way
PATCHES = one_array(_from_patches, _to_patches)

Table = Iterator[tuple[str, Origin]]


def translated(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Settings under our names, by a table of theirs -> ours; those that are not stated are out."""
    return {ours: settings[theirs] for theirs, ours in names.items() if theirs in settings}


def norm(ours: str, theirs: str, names: tuple[str, str] = ("weight", "bias")) -> Table:
    """A layer norm; `names` are theirs of scale and bias."""
    yield f"{ours}/scale", Origin.of(theirs + names[0], AS_IT_IS)
    yield f"{ours}/bias", Origin.of(theirs + names[1], AS_IT_IS)


def linear(ours: str, theirs: str, bias: bool = True) -> Table:
    """A linear layer or a convolution over time."""
    yield f"{ours}/kernel", Origin.of(f"{theirs}weight", REVERSED)
    if bias:
        yield f"{ours}/bias", Origin.of(f"{theirs}bias", AS_IT_IS)


def joint(theirs_weight: str, theirs_bias: str) -> Table:
    """Query, key and value in one array; a tower whose keys have no bias has zeros there."""
    for index, part in enumerate(("query", "key", "value")):
        yield f"blocks/{{n}}/attention/{part}/kernel", Origin.of(theirs_weight, _third(index))
        yield f"blocks/{{n}}/attention/{part}/bias", Origin.of(theirs_bias, _third(index))


def blocks(theirs: str, names: Mapping[str, str], *, key_bias: bool) -> Table:
    """Norms and linear layers of every block: our name in the block -> theirs after `theirs`."""
    for ours, name in names.items():
        ours, name = f"blocks/{{n}}/{ours}", theirs + name
        if ours.endswith("norm"):
            yield from norm(ours, name)
        else:
            yield from linear(ours, name, bias=key_bias or not ours.endswith("key"))
