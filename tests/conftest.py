"""Suite-wide settings: eight virtual CPU devices, a compile cache, the folder of real clips."""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable

os.environ["JAX_PLATFORMS"] = "cpu"
# Tests compile far more than they compute: the lowest optimisation level halves their time, and
# LLVM alone, without MLIR for each fusion, halves it again.
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0 "
    "--xla_cpu_use_fusion_emitters=false"
)
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(tempfile.gettempdir()) / "cad_jax_compile_cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import pytest

ROOT = pathlib.Path(__file__).parents[1]
LONGEST = ("test_end_to_end.py", "test_loop.py", "test_many_hosts.py", "test_runner.py")
MEDIA = pathlib.Path(os.environ.get("CAD_JAX_MEDIA", "no folder named"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-heavy", action="store_true", help="also run the tests marked heavy")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)  # first: all processes end together
    for item in items:
        if item.get_closest_marker("heavy") and not config.getoption("--run-heavy"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --run-heavy"))
        if item.get_closest_marker("media") and not (MEDIA / "manifest.csv").exists():
            item.add_marker(pytest.mark.skip(reason=f"real clips: {MEDIA} (set CAD_JAX_MEDIA)"))


@pytest.fixture(scope="session")
def environment() -> Callable[[int], dict[str, str]]:
    """Makes the environment of another process, which compiles as the suite does.

    Its argument: of how many devices.
    """

    def make(devices: int) -> dict[str, str]:
        flags = os.environ["XLA_FLAGS"].replace("count=8", f"count={devices}")
        return os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": flags}

    return make


@pytest.fixture(scope="session")
def media() -> pathlib.Path:
    """Folder of real clips with a manifest.csv; tests that use it carry the mark `media`."""
    return MEDIA


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A prepared directory of 48 drawn clips of 2 s at 96 px (32 train, 8 val, 8 test)."""
    from data_pipelines.synthetic.drawn import write_drawn_set

    return write_drawn_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def silent_set(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A prepared directory of 24 drawn clips without sound (16 train, 4 val, 4 test)."""
    from data_pipelines.synthetic.drawn import drawn_clips

    clips = [
        dataclasses.replace(
            clip,
            clip_id=f"silent/{number}#0",
            dataset="silent",
            method_audio="",
            audio=clip.audio[:0],
            label_audio=-1,
            label_sync=-1,
        )
        for number, clip in enumerate(drawn_clips(24, seed=2))
    ]
    return _write_set(tmp_path_factory.mktemp("silent"), "silent", clips)


@pytest.fixture(scope="session")
def unlabelled_set(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """24 drawn clips like those, with sound, of which nothing is known."""
    from data_pipelines.synthetic.drawn import drawn_clips

    unknown = {"label_video": -1, "label_audio": -1, "label_sync": -1}
    clips = [dataclasses.replace(clip, **unknown) for clip in drawn_clips(24, seed=3)]
    return _write_set(tmp_path_factory.mktemp("unlabelled"), "drawn", clips)


def _write_set(directory: pathlib.Path, name: str, clips: list) -> pathlib.Path:
    """Clips as a prepared directory, one shard a split."""
    from data_pipelines.records.metadata import shard_name, write_metadata
    from data_pipelines.records.schema import encode_clip
    from data_pipelines.records.tfrecord import write_shard

    shards = {
        split: [
            write_shard(
                directory / shard_name(name, split, 0, 1),
                [encode_clip(clip) for clip in clips if clip.split == split],
            )
        ]
        for split in sorted({clip.split for clip in clips})
    }
    write_metadata(directory, name, shards)
    return directory
