"""Measures what a very large set costs before its first batch.

python scripts/benchmark_table.py --clips=2000000

Makes up a clip table and opens it as training does: seconds to open, to divide into strata, to draw
a row; bytes that each worker process is sent, and how much larger it grows.
"""

import argparse
import sys
from collections.abc import Sequence

from data_pipelines.commands.run import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures; 0, or 1 after one line on standard error."""
    return run_cli("benchmark_table", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    from data_pipelines.lab.table_timing import time_table

    print(*time_table(args.clips).lines(), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--clips", type=int, default=2_000_000, help="of the made-up set")
    return parser


if __name__ == "__main__":
    sys.exit(main())
