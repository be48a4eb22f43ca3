"""How far our towers are from others' on the same random weights of true shape.

    python scripts/parity.py
    python scripts/parity.py avhubert_base avhubert_large

Each reference is saved as published models are, converted and loaded. Prints the largest absolute
difference from the reference in float32; in bfloat16 also the reference's own. Needs the extra
[parity] and 6 GB of memory; for lips, which are measured by name alone, besides:
pip install --no-deps espnet s3prl typeguard
"""

import argparse
import sys
from collections.abc import Sequence

from cad_jax.lab.parity import measure_parity, parity_table
from cad_jax.settings.model import LIPS_PRESETS
from cad_jax.weights.towers import PRESETS
from data_pipelines.commands.run import run_cli
from data_pipelines.errors import UserError, nearest

# More than most machines' memory, or packages that few have.
BY_NAME = ("whisper_medium", "whisper_large_v3", *LIPS_PRESETS)
DEFAULT = tuple(name for name in PRESETS if name not in BY_NAME)


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    return run_cli("parity", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    rows = []
    for name in args.towers:
        if name not in PRESETS:
            raise UserError(f"no tower {name!r}: {nearest(name, PRESETS)}")
        rows += measure_parity(name, PRESETS[name])
        print(f"{name} measured", file=sys.stderr)
    print(*parity_table(rows), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("towers", nargs="*", default=DEFAULT, help="presets' names")
    return parser


if __name__ == "__main__":
    sys.exit(main())
