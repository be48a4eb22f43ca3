"""Imports run one way; this reads them from the source and keeps it so."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Package -> what of the project its modules may import besides itself.
ALLOWED = {
    "data_pipelines": (),
    "configs": ("data_pipelines.errors",),
    "cad_jax.types": (),
    "cad_jax.config": ("data_pipelines.errors",),
    "cad_jax.shapes": (),
    "cad_jax.parallel": ("cad_jax.types", "data_pipelines.errors"),
    "cad_jax.telemetry": (),
    "cad_jax.models": ("cad_jax.types", "data_pipelines.records.clip"),
    "cad_jax.losses": ("cad_jax.types", "cad_jax.parallel.mesh"),
    "cad_jax.checkpoint": ("cad_jax.models.functional", "cad_jax.shapes", "data_pipelines.errors"),
    "cad_jax.weights": (
        "cad_jax.shapes",
        "cad_jax.config",
        "cad_jax.models",
        "data_pipelines.errors",
        "data_pipelines.records",
    ),
    "cad_jax.experiment": (
        "cad_jax.config",
        "cad_jax.losses",
        "cad_jax.models",
        "cad_jax.training.optimizer",
        "data_pipelines.loading",
    ),
    "cad_jax.data": ("cad_jax.config", "cad_jax.experiment", "cad_jax.losses", "data_pipelines"),
    "cad_jax.evaluation": (
        "cad_jax.config",
        "cad_jax.data",
        "cad_jax.experiment",
        "cad_jax.inference",
        "cad_jax.losses",
        "cad_jax.models",
        "cad_jax.parallel",
        "cad_jax.types",
        "data_pipelines",
    ),
    "cad_jax.lab": ("cad_jax.losses", "cad_jax.models", "cad_jax.weights", "data_pipelines"),
    "cad_jax.training": ("cad_jax", "data_pipelines"),
    "cad_jax.inference": ("cad_jax", "data_pipelines"),
    "cad_jax.modes": ("cad_jax", "data_pipelines"),
    "scripts": ("cad_jax", "data_pipelines"),
    "train": ("cad_jax", "data_pipelines"),
}
# Probes and comparisons: only commands start them, whatever else a package may import.
LABORATORY, ITS_USERS = "cad_jax.lab", ("cad_jax.lab", "scripts")
# Worker processes import data_pipelines and must not touch the accelerator.
ACCELERATOR = ("jax", "flax", "optax", "orbax", "clu")


def modules():
    for folder in ("data_pipelines", "configs", "cad_jax", "scripts"):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "train.py"


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", list(modules()), ids=name_of)
def test_imports_run_one_way(path):
    name = name_of(path)
    if name == "cad_jax":
        return
    (package,) = (p for p in ALLOWED if is_within(name, p))
    for imported in imports_of(path):
        own = imported.split(".")[0] in ("cad_jax", "configs", "data_pipelines", "train")
        allowed = any(is_within(imported, p) for p in (package, *ALLOWED[package]))
        assert allowed or not own, f"{name} may not import {imported}"
        if is_within(imported, LABORATORY):
            assert package in ITS_USERS, f"{name} may not import the laboratory"
        if package == "data_pipelines":
            assert imported.split(".")[0] not in ACCELERATOR, f"{name} imports {imported}"


def test_entry_point_is_short():
    assert len((ROOT / "train.py").read_text().splitlines()) < 80
