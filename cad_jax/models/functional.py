"""An NNX module as pure functions over a flat dictionary of named arrays.

`{"video_tower/blocks/0/attention/query/kernel": array}` is the one form in which parameters are
initialised, sharded, trained, saved and named in rules and errors. The module object exists only
while a function is traced.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx

from cad_jax.types import Params


@dataclasses.dataclass(frozen=True)
class FunctionalModel:
    """A module's structure without its arrays.

    Attributes:
        build: makes the module from random keys.
        graphdef: the module's static structure.
        variables: name -> (path inside the module, abstract variable), in the module's order.
    """

    build: Callable[[nnx.Rngs], nnx.Module]
    graphdef: nnx.GraphDef
    variables: Mapping[str, tuple[tuple[Any, ...], nnx.Variable]]

    @classmethod
    def create(cls, build: Callable[[nnx.Rngs], nnx.Module]) -> "FunctionalModel":
        """Traces `build` abstractly: no array is made.

        Args:
            build: e.g. `lambda rngs: CAD(config, rngs=rngs)`.
        """
        return cls._of(build, nnx.eval_shape(lambda: build(nnx.Rngs(0))))

    @classmethod
    def _of(cls, build: Callable[[nnx.Rngs], nnx.Module], module: nnx.Module) -> "FunctionalModel":
        graphdef, state = nnx.split(module)
        variables = {"/".join(map(str, path)): (path, v) for path, v in nnx.to_flat_state(state)}
        return cls(build, graphdef, variables)

    @property
    def shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shape and dtype of every parameter."""
        return {name: variable.get_value() for name, (_, variable) in self.variables.items()}

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters, a pure function of the key, whole on the default device."""
        return _parameters(self.build(nnx.Rngs(key)))

    def merge(self, params: Mapping[str, jax.Array]) -> Any:
        """The module with these parameters, to be called inside a traced function.

        Raises:
            KeyError: a parameter is missing.
        """
        state = nnx.from_flat_state(
            [(path, v.replace(params[name])) for name, (path, v) in self.variables.items()]
        )
        return nnx.merge(self.graphdef, state)

    def changed(
        self, params: Mapping[str, jax.Array], change: Callable[[Any], None]
    ) -> tuple["FunctionalModel", Params]:
        """The model, and its parameters, after `change` was made to the module.

        Raises:
            KeyError: a parameter is missing.
        """

        def build(rngs: nnx.Rngs) -> nnx.Module:
            module = self.build(rngs)
            change(module)
            return module

        module = self.merge(params)
        change(module)
        return self._of(build, module), _parameters(module)


def _parameters(module: nnx.Module) -> Params:
    state = nnx.to_flat_state(nnx.state(module))
    return {"/".join(map(str, path)): variable.get_value() for path, variable in state}
