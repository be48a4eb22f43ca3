"""Judges files: `cad-predict clip.mp4 --checkpoint=runs/mine`.

Prints a JSON verdict, or the reason why there is none. Several files give one verdict a line.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

from data_pipelines.commands.run import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0 if every file got a verdict, 1 if there is no detector, 2 if some file got none."""
    args = _parser().parse_args(argv)
    return run_cli("predict", lambda: _predict(args.files, args.checkpoint, args.timeout))


def _predict(files: Sequence[pathlib.Path], checkpoint: pathlib.Path, timeout_s: float) -> int:
    from absl import logging  # here and below: --help needs neither JAX nor a decoder

    from cad_jax.detector import Detector

    logging.set_verbosity(logging.ERROR)
    detector, answered = Detector.load(checkpoint), True
    for verdict in detector.verdicts(files, timeout_s):
        print(json.dumps(verdict, indent=2 if len(files) == 1 else None), flush=True)
        answered &= verdict["answer"] == "yes"
    return 0 if answered else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="predict", description=__doc__, allow_abbrev=False)
    parser.add_argument("files", type=pathlib.Path, nargs="+", help="video or sound")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="a run's --workdir")
    parser.add_argument("--timeout", type=float, default=900.0, help="per file, seconds")
    return parser
