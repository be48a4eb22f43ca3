"""What simple methods reach on a prepared set: cues of sound, picture and sync, and their fusion.

    python scripts/evidence.py --path=prepared --train=train --test=test

The table stands beside a detector's: what it adds is what it learnt beyond these cues.
"""

import argparse
import pathlib
import sys
from collections.abc import Iterator, Sequence

import tqdm

from data_pipelines.audit.evidence import evidence_report, evidence_rows
from data_pipelines.audit.probe_report import table
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import write_json
from data_pipelines.records.clip import ClipRecord


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    return run_cli("evidence", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    output = args.output or args.path / "evidence.json"
    rows = {
        split: evidence_rows(_clips(args.path, split))
        for split in dict.fromkeys([args.train, *args.test])
    }
    reports = evidence_report(rows[args.train], {split: rows[split] for split in args.test})
    write_json(reports, output)
    for split, report in reports.items():
        print(f"{split}: AUC +- standard error against genuine clips", *table(report), "", sep="\n")
    print(f"written to {output}")
    return 0


def _clips(path: pathlib.Path, split: str) -> Iterator[ClipRecord]:
    source = TFRecordSource(path, split, on_corrupt="skip")
    for position in tqdm.trange(len(source), desc=split, unit="clip", disable=None):
        yield source[position].clip


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--path", type=pathlib.Path, required=True, help="the prepared set")
    parser.add_argument("--train", default="train", help="split that the cues are fitted on")
    parser.add_argument("--test", nargs="+", default=["test"], help="splits that they judge")
    parser.add_argument("--output", type=pathlib.Path, help="default: PATH/evidence.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
