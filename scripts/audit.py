"""Can a shallow statistic tell a prepared set's forged clips from its genuine ones?

    python scripts/audit.py --path=prepared --split=train

Silence, level, spectrum, colour, file size, motion and the like should say nothing of the label.
Prints the AUC of each probe by kind of forgery and writes all of them as JSON.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import tqdm

from data_pipelines.audit.probes import audit_rows
from data_pipelines.audit.report import audit_report, report_lines
from data_pipelines.errors import UserError
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import write_json


def main(argv: Sequence[str] | None = None) -> int:
    """0 whatever the probes find, 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    output = args.output or args.path / f"audit-{args.split}.json"
    try:
        source = TFRecordSource(args.path, args.split, on_corrupt="skip")
        positions = tqdm.trange(len(source), unit="clip", disable=None)
        report = audit_report(audit_rows(source[position].clip for position in positions))
        write_json(report, output)
    except (UserError, ValueError, OSError) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    print(*report_lines(report), f"written to {output}", sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--path", type=pathlib.Path, required=True, help="the prepared set")
    parser.add_argument("--split", default="train", help="which clips")
    parser.add_argument("--output", type=pathlib.Path, help="default: PATH/audit-SPLIT.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
