"""Devices that are not at hand, for their own compiler to compile for: TPU slices and GPU boxes.

The compilers of both come as packages (extras `tpu` and `cuda`) and need no hardware.
"""

import dataclasses
import importlib.util
import os
import re
from typing import Any

import jax
from jax.experimental import topologies

from cad_jax.telemetry.chips import chip_of
from data_pipelines.errors import UserError, one_line

_TPU_ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "true",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
_GPU_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
# There is no device to try kernels on.
_GPU_FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"


@dataclasses.dataclass(frozen=True)
class _GPU:
    """What XLA's description of a GPU says besides its memory, which `telemetry.chips` has.

    Attributes:
        name: as the driver gives it.
        cores: streaming multiprocessors.
        capability: CUDA's, major and minor.
        shared, shared_block: memory of a core that its threads share, bytes; what one block may
            take of it.
        cache: second level, bytes.
    """

    name: str
    cores: int
    capability: tuple[int, int]
    shared: int
    shared_block: int
    cache: int


_GPUS = {
    "a100": _GPU("NVIDIA A100-SXM4-80GB", 108, (8, 0), 167_936, 166_912, 41_943_040),
    "h100": _GPU("NVIDIA H100 80GB HBM3", 132, (9, 0), 233_472, 232_448, 52_428_800),
    "h200": _GPU("NVIDIA H200", 132, (9, 0), 233_472, 232_448, 62_914_560),
}


def topology_devices(name: str, slices: int = 1) -> list[Any]:
    """The devices of a TPU slice (`v5e:4x4`, `v5p:4x4x4`) or of a GPU box (`h100:8`).

    To be called before JAX has made any device of its own.

    Args:
        name: kind and arrangement; of TPUs as their compiler names them.
        slices: how many such slices, joined by the data centre's network.

    Raises:
        UserError: the name says nothing, or the compiler is not installed.
    """
    kind, _, arrangement = name.partition(":")
    jax.config.update("jax_platforms", "cpu")
    if kind in _GPUS:
        return _gpus(kind, arrangement, slices)
    if not re.fullmatch(r"v\d+[a-z]*", kind) or not re.fullmatch(r"\d+(x\d+)*", arrangement):
        raise UserError(
            f"topology {name!r}: name a TPU slice such as v5e:4x4, v5p:4x4x4 or v6e:16x16, or a "
            f"box of GPUs such as h100:8 ({', '.join(_GPUS)})"
        )
    if importlib.util.find_spec("libtpu") is None:
        raise UserError("the TPU compiler is not installed: pip install 'cad-jax[tpu]'")
    for variable, value in _TPU_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    several = {"num_slices": slices} if slices > 1 else {}
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name, **several).devices
    except Exception as error:  # the compiler's own errors have no common type
        said = one_line(error)[:200]
        raise UserError(f"topology {name!r}: the TPU compiler says: {said}") from error


def _gpus(kind: str, arrangement: str, slices: int) -> list[Any]:
    if slices > 1 or not arrangement.isdecimal() or int(arrangement) < 1:
        raise UserError(
            f"topology {kind}:{arrangement}: say how many GPUs one box has, as {kind}:8"
        )
    if importlib.util.find_spec("jax_plugins.xla_cuda12") is None:
        raise UserError("the GPU compiler is not installed: pip install 'cad-jax[cuda]'")
    for variable, value in _GPU_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_GPU_FLAGS}"
    return topologies.get_topology_desc(
        platform="cuda", target_config=gpu_target(kind), topology=f"1x1x{arrangement}"
    ).devices


def gpu_target(kind: str) -> str:
    """XLA's description of a GPU, as text of its GpuTargetConfig."""
    gpu, (major, minor) = _GPUS[kind], _GPUS[kind].capability
    chip = chip_of(gpu.name)
    assert chip is not None, f"{gpu.name} is not in the table of chips"
    return f"""
        gpu_device_info {{
          threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
          shared_memory_per_block: 49152 shared_memory_per_block_optin: {gpu.shared_block}
          shared_memory_per_core: {gpu.shared} core_count: {gpu.cores} fpus_per_core: 128
          block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
          registers_per_core_limit: 65536 registers_per_block_limit: 65536
          memory_bandwidth: {chip.bandwidth:.0f} l2_cache_size: {gpu.cache} clock_rate_ghz: 1.98
          device_memory_size: {chip.memory}
          cuda_compute_capability {{ major: {major} minor: {minor} }}
        }}
        platform_name: "CUDA"
        dnn_version_info {{ major: 9 minor: 8 }}
        runtime_version {{ major: 12 minor: 9 }}
        device_description_str: "{gpu.name}"
    """
