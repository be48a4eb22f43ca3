"""Keeps programs between processes, so that a second start waits for no tracing and no compiler.

JAX keeps what XLA compiles. Kept here, in the same folder, is what it is compiled from: a step as
StableHLO, so that a start with known shapes neither imports nor traces the model.
"""

import functools
import hashlib
import json
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import jax
from jax import export

from cad_jax.run.code import code_hash
from data_pipelines.errors import one_line
from data_pipelines.paths import cache_folder
from data_pipelines.records.atomic import write_shared

_DIGEST = hashlib.sha256().digest_size
_PRECISION = ("jax_default_matmul_precision", "jax_enable_x64")  # that a trace depends on

log = logging.getLogger(__name__)


def keep_compiled() -> None:
    """Keeps what is compiled from here on in the user's cache folder.

    `JAX_COMPILATION_CACHE_DIR` names another one.
    """
    if not _folder():
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


class KeptStep:
    """A step that is traced once, for this process and for those that come.

    Its program is found again by its name, the sources of this package, JAX's version, and the
    shapes, types and shardings of the arguments. It is kept where `keep_compiled` keeps.

    Args:
        name: whatever else the step depends on.
        make: gives the step, to be traced; not called where its program is kept.
    """

    def __init__(self, name: str, make: Callable[[], Callable]) -> None:
        self._name, self._make = name, functools.cache(make)
        self._compiled: dict[Any, jax.stages.Compiled] = {}

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)(*args)

    def compiled(self, *args: Any) -> jax.stages.Compiled:
        """The step for arguments such as these.

        Args:
            args: trees of arrays, or of `jax.ShapeDtypeStruct`s with their shardings.
        """
        leaves, tree = jax.tree.flatten(args)
        key = tree, *((x.shape, x.dtype) for x in leaves)
        if key not in self._compiled:
            shapes = jax.tree.map(_shape, args)
            self._compiled[key] = jax.jit(self._program(shapes).call).lower(*shapes).compile()
        return self._compiled[key]

    def _program(self, shapes: tuple[Any, ...]) -> export.Exported:
        path = self._path(shapes)
        data = _read(path) if path else None
        if data is None:
            data = export.export(self._make())(*shapes).serialize()  # type: ignore[arg-type]
            if path:
                _write(path, data)
        return export.deserialize(data)

    def _path(self, shapes: tuple[Any, ...]) -> pathlib.Path | None:
        folder = _folder()
        if not folder or "://" in folder:  # JAX alone writes to a bucket
            return None
        settings = [str(getattr(jax.config, name)) for name in _PRECISION]
        leaves = [
            (jax.tree_util.keystr(name), *map(str, (x.shape, x.dtype, x.sharding)))
            for name, x in jax.tree.leaves_with_path(shapes)
        ]
        known = [self._name, code_hash(), jax.__version__, jax.default_backend(), settings, leaves]
        key = hashlib.sha256(json.dumps(known).encode()).hexdigest()
        return pathlib.Path(folder) / f"{key}.jax_export"


def _folder() -> str | None:
    return jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]


def _shape(x: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


def _read(path: pathlib.Path) -> bytearray | None:
    """What `_write` wrote; None where it is not there or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, data = data[:_DIGEST], data[_DIGEST:]
    return bytearray(data) if hashlib.sha256(data).digest() == digest else None


def _write(path: pathlib.Path, data: bytearray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_shared(hashlib.sha256(data).digest() + data, path)
    except OSError as error:  # a read-only disk, say: without, the next start is slower
        log.warning("the traced program is not kept: %s", one_line(error))
