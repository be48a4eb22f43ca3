"""Imports run one way; this reads them from the source and keeps it so."""

import ast
import collections
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Room -> the rooms of the project that its modules may import from, besides itself. A room is a
# package or a module directly below `cad_jax` or `data_pipelines`.
ALLOWED = {
    "data_pipelines.errors": "",
    "data_pipelines.paths": "errors",
    "data_pipelines.metrics": "",
    "data_pipelines.documents": "",
    "data_pipelines.records": "errors",
    "data_pipelines.forgeries": "errors records",
    "data_pipelines.corruptions": "errors records",
    "data_pipelines.loading": "corruptions errors forgeries records",
    "data_pipelines.benchmarks": "errors records",
    "data_pipelines.media": "benchmarks errors records",
    "data_pipelines.splits": "benchmarks errors records",
    "data_pipelines.preparation": "benchmarks errors loading media records splits",
    "data_pipelines.synthetic": "corruptions errors forgeries media paths records",
    "data_pipelines.audit": "documents errors forgeries media metrics records",
    "data_pipelines.lab": "benchmarks errors loading media preparation records synthetic",
    "data_pipelines.commands": (
        "audit benchmarks errors loading media paths preparation records splits"
    ),
    "cad_jax.types": "",
    "cad_jax.arrays": "",
    "cad_jax.flops": "",
    "cad_jax.numerics": "",
    "cad_jax.settings": "data_pipelines.errors data_pipelines.loading data_pipelines.metrics",
    "cad_jax.parallel": "types data_pipelines.errors",
    "cad_jax.telemetry": "data_pipelines.errors data_pipelines.records",
    "cad_jax.models": "numerics parallel settings types data_pipelines.records",
    "cad_jax.losses": "numerics parallel settings types",
    "cad_jax.weights": "arrays models settings types data_pipelines.errors data_pipelines.records",
    "cad_jax.data": (
        "settings data_pipelines.errors data_pipelines.loading data_pipelines.media "
        "data_pipelines.records data_pipelines.synthetic"
    ),
    "cad_jax.run": (
        "arrays losses models parallel settings types weights data_pipelines.errors "
        "data_pipelines.loading data_pipelines.media data_pipelines.metrics data_pipelines.paths "
        "data_pipelines.records"
    ),
    "cad_jax.training": (
        "data flops losses models parallel run settings telemetry types "
        "data_pipelines.errors "
        "data_pipelines.loading data_pipelines.records"
    ),
    "cad_jax.evaluation": (
        "data parallel run settings data_pipelines.corruptions data_pipelines.errors "
        "data_pipelines.loading data_pipelines.metrics data_pipelines.records"
    ),
    "cad_jax.bundle": (
        "arrays data evaluation parallel run settings types weights data_pipelines.documents "
        "data_pipelines.errors data_pipelines.loading data_pipelines.media data_pipelines.metrics "
        "data_pipelines.records"
    ),
    "cad_jax.verdicts": (
        "bundle settings data_pipelines.errors data_pipelines.metrics data_pipelines.records"
    ),
    "cad_jax.study": (
        "data evaluation parallel run settings telemetry weights data_pipelines.audit "
        "data_pipelines.commands data_pipelines.documents data_pipelines.errors "
        "data_pipelines.metrics data_pipelines.records"
    ),
    "cad_jax.file_report": (
        "bundle evaluation run verdicts data_pipelines.documents data_pipelines.loading "
        "data_pipelines.media data_pipelines.records"
    ),
    "cad_jax.detector": (
        "bundle file_report parallel run verdicts data_pipelines.benchmarks data_pipelines.loading "
        "data_pipelines.media data_pipelines.preparation data_pipelines.records"
    ),
    "cad_jax.export": (
        "models parallel run settings types weights data_pipelines.loading data_pipelines.media "
        "data_pipelines.records"
    ),
    "cad_jax.service": "verdicts",
    "cad_jax.lab": (
        "data flops losses models numerics parallel run settings telemetry training types "
        "weights data_pipelines.audit data_pipelines.errors data_pipelines.loading "
        "data_pipelines.records"
    ),
    "cad_jax.commands": (
        "bundle data detector evaluation export file_report lab parallel run service settings "
        "study training verdicts data_pipelines.benchmarks data_pipelines.commands "
        "data_pipelines.errors data_pipelines.loading data_pipelines.paths data_pipelines.records"
    ),
    "cad_jax": "detector settings",
    "configs": "cad_jax.settings",
    "scripts": (
        "cad_jax.commands cad_jax.lab cad_jax.settings cad_jax.weights data_pipelines.audit "
        "data_pipelines.benchmarks data_pipelines.commands data_pipelines.errors "
        "data_pipelines.lab data_pipelines.loading data_pipelines.media data_pipelines.paths "
        "data_pipelines.records data_pipelines.splits data_pipelines.synthetic"
    ),
    "train": "cad_jax.commands",
}
# Worker processes import data_pipelines and must not touch the accelerator; settings are read
# before anything is loaded.
WITHOUT_JAX = ("data_pipelines", "cad_jax.service", "cad_jax.settings", "configs")
ACCELERATOR = ("jax", "flax", "optax", "orbax", "clu")
PROJECT = ("cad_jax", "configs", "data_pipelines", "scripts", "train")


def modules():
    for folder in ("data_pipelines", "configs", "cad_jax", "scripts"):
        yield from (ROOT / folder).rglob("*.py")
    yield ROOT / "train.py"


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module):
    parts = module.split(".")
    return ".".join(parts[:2] if parts[0] in ("cad_jax", "data_pipelines") else parts[:1])


def allowed_rooms(room):
    family = room.split(".")[0]
    return {name if "." in name else f"{family}.{name}" for name in ALLOWED[room].split()}


def imports_of(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            module = str(node.module)
            whole = module in ("cad_jax", "data_pipelines")  # `from package import room`
            yield from (f"{module}.{alias.name}" if whole else module for alias in node.names)


def faults(module, source):
    """What a module imports that its room may not."""
    room = room_of(module)
    for imported in imports_of(source):
        top, other = imported.split(".")[0], room_of(imported)
        if top in PROJECT and other not in {room, *allowed_rooms(room)}:
            yield f"{module} may not import {imported}"
        if top in ACCELERATOR and module.startswith(WITHOUT_JAX):
            yield f"{module} imports {imported}"


@pytest.mark.parametrize("path", list(modules()), ids=name_of)
def test_imports_run_one_way(path):
    assert not list(faults(name_of(path), path.read_text()))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cad_jax.training.loop", "from cad_jax.lab.parity import measure_parity"),
        ("cad_jax.run.scoring", "import cad_jax.training.loop"),
        ("cad_jax.detector", "def f():\n    from cad_jax.commands.train import main"),
        ("data_pipelines.loading.draw", "from cad_jax.types import Batch"),
        ("data_pipelines.records.clip", "import jax.numpy as jnp"),
        ("cad_jax.settings.loss", "import jax"),
    ],
)
def test_a_planted_import_is_seen(module, source):
    assert list(faults(module, source))


def test_no_room_leads_back_to_itself():
    graph = {room: allowed_rooms(room) for room in ALLOWED if room not in ("cad_jax",)}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(graph)


def test_no_room_is_allowed_what_it_does_not_use():
    used = collections.defaultdict(set)
    for path in modules():
        room = room_of(name_of(path))
        used[room] |= {room_of(name) for name in imports_of(path.read_text())}
    spare = {room: allowed_rooms(room) - used[room] for room in ALLOWED}
    assert not {room: names for room, names in spare.items() if names}


def test_entry_point_is_short():
    assert len((ROOT / "train.py").read_text().splitlines()) < 80
