"""Writes a known talking clip in some 70 forms, prepares each, prints how right its records are.

python scripts/check_media.py
python scripts/check_media.py --only=avi --keep=DIR
python scripts/check_media.py --mutations=2000 --seed=0 --keep=DIR

The last one damages the forms instead, as seeded, and says what became of every file.
"""

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence

from data_pipelines.commands.run import run_cli
from data_pipelines.errors import UserError
from data_pipelines.lab.media_cases import CASES, MediaCase
from data_pipelines.lab.media_check import Row, check_media, table
from data_pipelines.lab.media_mutations import prepare_mutations, write_mutations
from data_pipelines.paths import local_path


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 0 if every row is right, 1 if one is not."""
    return run_cli("check_media", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    chosen = [case for case in CASES if args.only in case.title]
    if not chosen:
        raise UserError(f"no case has {args.only!r} in its name")
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings otherwise
    return _damaged(chosen, args) if args.mutations else _whole(chosen, args.keep)


def _damaged(cases: Sequence[MediaCase], args: argparse.Namespace) -> int:
    with _folder(args.keep) as folder:
        write_mutations(cases, args.mutations, args.seed, folder)
        report = prepare_mutations(folder / "mutated", folder / "prepared")
    print(*report.lines(), sep="\n")
    return int(bool(report.faults))


def _whole(cases: Sequence[MediaCase], kept: pathlib.Path | None) -> int:
    rows: list[Row] = []

    def noted() -> Iterator[Row]:
        for row in check_media(cases, folder):
            rows.append(row)
            yield row

    with _folder(kept) as folder:
        for line in table(noted()):
            print(line, flush=True)
    wrong = sum(bool(row.faults) for row in rows)
    print(f"{len(rows) - wrong} of {len(rows)} forms are right")
    return int(wrong > 0)


@contextlib.contextmanager
def _folder(kept: pathlib.Path | None) -> Iterator[pathlib.Path]:
    if kept is None:
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", default="", help="forms with this in their name")
    parser.add_argument("--keep", type=local_path, help="folder to write the files to")
    parser.add_argument("--mutations", type=int, default=0, help="damaged files to try instead")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    return parser


if __name__ == "__main__":
    sys.exit(main())
