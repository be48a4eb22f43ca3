"""Writes a known talking clip in some 70 forms, prepares each, prints how right its records are.

python scripts/check_media.py
python scripts/check_media.py --only=avi --keep=DIR
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
from data_pipelines.lab.media_cases import CASES
from data_pipelines.lab.media_check import Row, check_media, table
from data_pipelines.paths import local_path


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 0 if every row is right, 1 if one is not."""
    return run_cli("check_media", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    chosen = [case for case in CASES if args.only in f"{case.suffix}: {case.name}"]
    if not chosen:
        raise UserError(f"no case has {args.only!r} in its name")
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings otherwise
    rows: list[Row] = []

    def noted() -> Iterator[Row]:
        for row in check_media(chosen, folder):
            rows.append(row)
            yield row

    with _folder(args.keep) as folder:
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
