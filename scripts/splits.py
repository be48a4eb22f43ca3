"""Divides a data set into train, val and test, as a file that can be published without the data.

    python scripts/splits.py --reader=fakeavceleb --root=DIR --scheme=disjoint --output=split.json
    python scripts/splits.py --reader=fakeavceleb --root=DIR --verify=split.json
    python scripts/prepare.py --reader=fakeavceleb --root=DIR --split=split.json --output=prepared

The second command says whether a copy of the data set has the clips that the file names.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from data_pipelines.benchmarks.registry import READERS, find_reader, reader_options
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.splits.file import compare, make_split, read_split, split_lines, write_split
from data_pipelines.splits.schemes import SCHEMES, SplitOptions


def main(argv: Sequence[str] | None = None) -> int:
    """0 if the file was written or fits the copy, 1 if it does not or after one line of error."""
    return run_cli("splits", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    options = reader_options(args.reader, args.option)
    sources = find_reader(args.reader)(args.root, **options)
    if args.verify:
        split = read_split(args.verify)
        found = compare(split, sources)
        print(*split_lines(split, sources), found.line(), sep="\n")
        return 1 if found.missing or found.mismatched else 0
    shares = tuple(args.shares) if args.shares else None
    wanted = SplitOptions(args.seed, shares, args.fold, args.folds, args.by, args.leave_out)
    split = make_split(sources, args.scheme, wanted)
    write_split(split, args.output)
    print(*split_lines(split, sources), f"written to {args.output}", sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--reader", default="folder", help=f"one of: {', '.join(READERS)}")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="of the reader"
    )
    parser.add_argument("--root", type=pathlib.Path, required=True, help="where the data set lies")
    parser.add_argument("--scheme", default="", help=f"one of: {', '.join(SCHEMES)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shares", type=float, nargs=3, help="of train, val and test")
    parser.add_argument("--fold", type=int, default=0, help="of kfold: the one to test on, from 0")
    parser.add_argument("--folds", type=int, default=5, help="of kfold: how many")
    parser.add_argument("--by", choices=("identity", "component"), default="identity")
    parser.add_argument(
        "--leave-out", default="", metavar="METHOD", help="a way of forging that is only tested on"
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", type=pathlib.Path, help="the file to write")
    task.add_argument("--verify", type=pathlib.Path, help="the file to hold against the copy")
    return parser


if __name__ == "__main__":
    sys.exit(main())
