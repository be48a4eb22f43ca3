"""A protocol's runs, its table and its comparisons: `scripts/study.py` and `cad-study`.

    python scripts/study.py run --protocol=embedded --output=runs/embedded
    python scripts/study.py table --protocol=embedded --output=runs/embedded
    python scripts/study.py operating --protocol=embedded --output=runs/embedded
    python scripts/study.py compare full late-maximum --protocol=embedded --output=runs/embedded
    python scripts/study.py report --protocol=embedded --output=runs/embedded

`run` goes on where it was stopped and skips what is done. Ctrl-C and SIGTERM stop the trainings
under way, which are saved; it then ends with 143.
"""

import argparse
import functools
import logging
import pathlib
import shlex
from collections.abc import Sequence

from cad_jax.parallel.stop_signals import STOPPED, STOPPED_LINE
from cad_jax.settings.protocol import METRICS, find_protocol
from cad_jax.settings.structure import ConfigError
from cad_jax.study.figures import GROUPS, compare, table_rows
from cad_jax.study.lines import comparison_lines, table_lines
from cad_jax.study.operating import operating_rows
from cad_jax.study.runner import run_study
from cad_jax.study.systems import read_systems
from data_pipelines.commands.run import command_parser, fail, run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 after one line on standard error or where a run failed; 143 where it was stopped."""
    args = _parser().parse_args(argv)
    return run_cli(
        "study", lambda: args.work(args), "interrupted; the same command goes on from here"
    )


def _run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    name, protocol = find_protocol(args.protocol)
    say = functools.partial(print, flush=True)
    outcome = run_study(name, protocol, args.output, args.jobs, say, args.launch)
    if outcome.stopped:
        return fail("study", STOPPED_LINE, code=STOPPED)
    return 1 if outcome.failed else 0


def _table(args: argparse.Namespace) -> int:
    _, protocol = find_protocol(args.protocol)
    systems = read_systems(args.output, protocol)
    rows = table_rows(systems, args.metrics or protocol.metrics, args.by, protocol.draws)
    print(*table_lines(rows, systems, args.markdown), sep="\n")
    return 0


def _operating(args: argparse.Namespace) -> int:
    _, protocol = find_protocol(args.protocol)
    systems = read_systems(args.output, protocol)
    rows = operating_rows(systems, args.by, protocol.draws)
    print(*table_lines(rows, systems, args.markdown), sep="\n")
    return 0


def _compare(args: argparse.Namespace) -> int:
    _, protocol = find_protocol(args.protocol)
    if args.first in args.others:
        raise ConfigError(f"compare: {args.first} with itself differs in nothing")
    first, *others = read_systems(args.output, protocol, (args.first, *args.others))
    metrics = args.metrics or protocol.metrics
    found = compare(first, others, metrics, args.by, protocol.draws)
    print(*comparison_lines(found, [first, *others], args.markdown), sep="\n")
    return 0


def _report(args: argparse.Namespace) -> int:
    # Imported here: Matplotlib takes a second that the other tasks need not wait for.
    from cad_jax.study.report.write import write_report

    print("written to", *write_report(args.protocol, args.output))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "study")
    tasks = parser.add_subparsers(required=True)
    run = tasks.add_parser("run", help="train and evaluate what is not done", allow_abbrev=False)
    run.add_argument("--jobs", type=int, default=1, help="runs at a time")
    run.add_argument(
        "--launch",
        type=shlex.split,
        default=[],
        help='what starts each run elsewhere, e.g. "srun --ntasks=1 --gpus=1"',
    )
    run.set_defaults(work=_run)
    table = tasks.add_parser("table", help="figures of every variant", allow_abbrev=False)
    table.set_defaults(work=_table)
    table.add_argument("--metrics", nargs="+", choices=METRICS, help="the protocol's by default")
    chosen = tasks.add_parser(
        "operating", help="thresholds, calibration and label sets on tests", allow_abbrev=False
    )
    chosen.set_defaults(work=_operating)
    against = tasks.add_parser("compare", help="one variant less others", allow_abbrev=False)
    against.add_argument("first", help="a variant")
    against.add_argument("others", nargs="+", metavar="other", help="variants")
    against.add_argument("--metrics", nargs="+", choices=METRICS, help="the protocol's by default")
    against.set_defaults(work=_compare)
    page = tasks.add_parser(
        "report", help="report.html and report.md, in the study's folder", allow_abbrev=False
    )
    page.set_defaults(work=_report)
    run.add_argument("--output", type=pathlib.Path, required=True, help="the study's folder")
    for task in (run, table, chosen, against, page):
        task.add_argument("--protocol", required=True, help="a name, or a file")
    for task in (table, chosen, against, page):
        task.add_argument(
            "--output", type=pathlib.Path, nargs="+", required=True, help="the study, in its parts"
        )
    for task in (table, chosen, against):
        task.add_argument("--by", choices=tuple(GROUPS), default="all", help="groups of clips")
        task.add_argument("--markdown", action="store_true")
    return parser
