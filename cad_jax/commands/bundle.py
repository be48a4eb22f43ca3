"""Makes a detector that travels of a finished run: one folder that needs nothing besides.

    python scripts/bundle.py --run=runs/tiny --output=bundles/tiny
    python scripts/bundle.py --run=runs/tiny --output=bundles/tiny --calibration=DIR

Scores the run's training, validation and test splits, fits temperatures, thresholds and the domain,
and writes parameters, settings and a model card. The figures of the card are those of the run's own
evaluation. Thresholds for low rates need many genuine people: name prepared sets of others.
"""

import argparse
import pathlib
import subprocess
from collections.abc import Sequence

from data_pipelines.commands.run import command_parser, run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    return run_cli("bundle", lambda: _run(args), "interrupted; nothing was written")


def _run(args: argparse.Namespace) -> None:
    from absl import flags, logging  # here and below: --help needs neither JAX nor a decoder

    from cad_jax.bundle.files import ARRAYS
    from cad_jax.bundle.make import write_bundle

    logging.set_verbosity(logging.ERROR)
    if not flags.FLAGS.is_parsed():  # the loader's workers ask for it
        flags.FLAGS(["bundle"])
    made = write_bundle(args.run, args.output, args.calibration, _commit())
    print(f"{args.output}  {(args.output / ARRAYS).stat().st_size / 1e6:.1f} MB")
    print(f"model hash  {made.model_hash}")
    for head, temperature in made.operating.temperatures.items():
        stated = [f"{score:.3f} at {rate:.0%}" for rate, score in made.operating.thresholds[head]]
        genuine = f"{made.operating.genuine[head]} genuine validation clips"
        print(f"{head:10}  temperature {temperature:.3f}, {', '.join(stated) or '-'} ({genuine})")
    for split, windows, beyond in made.declined:
        print(f"{split:10}  {beyond} of {windows} windows beyond the domain")


def _commit() -> str:
    """Of the checkout that this program runs from; empty where it is installed."""
    root = pathlib.Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        found = subprocess.run(
            command, cwd=root, capture_output=True, check=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "bundle")
    parser.add_argument("--run", type=pathlib.Path, required=True, help="a run's --workdir")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to be made")
    parser.add_argument(
        "--calibration",
        type=pathlib.Path,
        action="append",
        default=[],
        metavar="DIR",
        help="prepared set of people whom the run has not seen; may be given again",
    )
    return parser
