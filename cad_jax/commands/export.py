"""Writes a detector as a program that runs without this package: StableHLO, by `jax.export`.

    python scripts/export.py --run=runs/tiny --output=exported/tiny
    python scripts/export.py --model=tiny --output=exported/tiny

The folder holds the program for CPUs, CUDA GPUs and TPUs, its parameters, what a file has to become
before it is judged, an example with its scores, and `score.py`, which needs jax, numpy and
safetensors alone.
"""

from collections.abc import Sequence

from data_pipelines.commands.run import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    return run_cli("export", lambda: _run(args), "interrupted; nothing was written")
