"""Imports pyworld where setuptools no longer ships `pkg_resources`.

pyworld asks `pkg_resources` for its own version number and for nothing else; that module is gone
from setuptools 82 on. A stand-in answers during the import. Import `pyworld` from here only.
"""

import importlib.metadata
import sys
import types


def _import_pyworld() -> types.ModuleType:
    name = "pkg_resources"
    before = sys.modules.get(name)
    stand_in = types.ModuleType(name)
    stand_in.get_distribution = importlib.metadata.distribution  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        import pyworld
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
    return pyworld


pyworld = _import_pyworld()
