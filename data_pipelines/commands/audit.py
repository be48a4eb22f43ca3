"""Can a shortcut tell a prepared set's forged clips from its genuine ones, and do its splits leak?

    python scripts/audit.py --path=prepared

Silence, level, spectrum, colour, file size, codec and the like should say nothing of the label, and
no person, original or clip should be in two splits. Prints the AUC of the probes and what the
splits share, and writes everything as JSON and as an HTML page with plots.
"""

import argparse
import pathlib
from collections.abc import Iterator, Sequence

import tqdm

from data_pipelines.audit.leaks import fingerprinted, leak_lines, leak_table
from data_pipelines.audit.page import render_page
from data_pipelines.audit.probe_report import Report, audit_report, report_lines
from data_pipelines.audit.probes import audit_rows
from data_pipelines.audit.shortcuts import shortcut_lines, shortcut_table
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.loading.source import TFRecordSource
from data_pipelines.records.atomic import atomic_writer, write_json
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.metadata import read_metadata


def main(argv: Sequence[str] | None = None) -> int:
    """0 whatever is found, 1 after one line on standard error."""
    return run_cli("audit", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    prepared = read_metadata(args.path)
    prepared.shards(args.split)  # a split that is not there is named with those that are
    splits = sorted(prepared.shard_lengths, key=lambda split: (split != args.split, split))
    sources = {split: TFRecordSource(args.path, split, on_corrupt="skip") for split in splits}
    sources[args.split].check_labelled()  # of other splits they may be kept secret
    prints = {split: [] for split in splits}
    rows = {
        split: audit_rows(fingerprinted(_clips(source, split), prints[split]))
        for split, source in sources.items()
    }
    train = rows.pop(args.split)
    report = audit_report(train)
    report |= {"shortcuts": shortcut_table(train, rows), "leaks": leak_table(prints)}
    parts = [report_lines(report), shortcut_lines(report["shortcuts"]), leak_lines(report["leaks"])]
    for part in parts:
        print(*part, "", sep="\n")
    try:
        _write(report, prepared.name, args.output or args.path / "audit.json")
    except OSError as error:
        if args.output:
            raise
        print(f"not written ({error}): name a place for it, --output=FILE")
    return 0


def _write(report: Report, name: str, output: pathlib.Path) -> None:
    page = output.with_suffix(".html")
    write_json(report, output)
    with atomic_writer(page) as write:
        write(render_page(f"Audit of {name}", report).encode())
    print(f"written to {output} and {page}")


def _clips(source: TFRecordSource, split: str) -> Iterator[ClipRecord]:
    for position in tqdm.trange(len(source), unit="clip", desc=split, disable=None):
        yield source[position].clip


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "audit")
    parser.add_argument("--path", type=pathlib.Path, required=True, help="the prepared set")
    parser.add_argument("--split", default="train", help="what probes are fitted on")
    parser.add_argument("--output", type=pathlib.Path, help="JSON; default: PATH/audit.json")
    return parser
