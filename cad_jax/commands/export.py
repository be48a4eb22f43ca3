"""Writes a detector as a program that runs without this package: StableHLO, by `jax.export`.

    python scripts/export.py --run=runs/tiny --output=exported/tiny
    python scripts/export.py --model=tiny --output=exported/tiny

The folder holds the program for CPUs, CUDA GPUs and TPUs, its parameters, what a file has to become
before it is judged, an example with its scores, and `score.py`, which needs jax, numpy and
safetensors alone.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

from data_pipelines.commands.run import command_parser, run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    return run_cli("export", lambda: _run(args), "interrupted; nothing was written")


def _run(args: argparse.Namespace) -> None:
    from absl import logging  # here and below: --help needs no JAX

    from cad_jax.bundle.files import refuse_occupied
    from cad_jax.export.files import write_export

    logging.set_verbosity(logging.ERROR)
    refuse_occupied(args.output)  # before a minute of work, not after
    detector = _of_run(args.run) if args.run else _of_bundle(args.model)
    program = write_export(args.output, *detector)
    size = sum(file.stat().st_size for file in args.output.iterdir())
    apart = sum(name.endswith("/lora_b") for name in program.params)
    print(f"{args.output}  {size / 1e6:.1f} MB, for {', '.join(program.exported.platforms)}")
    print(f"{len(program.params)} arrays; {apart} adapters not merged: their base pass is needed")


def _of_run(workdir: pathlib.Path) -> tuple[Any, Any, Any, dict[str, Any]]:
    from cad_jax.data import made_preparation
    from cad_jax.run.placement import load_run
    from cad_jax.run.preparation import run_preparation

    run = load_run(workdir)
    settings = run_preparation(workdir, made_preparation(run.config.data))
    return run.config, run.params, settings, {"step": run.step}


def _of_bundle(model: str) -> tuple[Any, Any, Any, dict[str, Any]]:
    from cad_jax.bundle.files import read_bundle
    from cad_jax.bundle.find import find_bundle
    from cad_jax.bundle.step import check_parameters

    bundle = read_bundle(find_bundle(model))
    check_parameters(bundle)
    facts = {
        "notice": bundle.notice,
        "model_hash": bundle.model_hash,
        "temperatures": bundle.operating.temperatures,
        "thresholds": bundle.operating.thresholds,
    }
    return bundle.config, bundle.params, bundle.settings, facts


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "export")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=pathlib.Path, help="a run's --workdir")
    source.add_argument("--model", help="a bundle, or the name of one that comes with this package")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to be made")
    return parser
