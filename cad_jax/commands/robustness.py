"""What a run's detector loses to compression, noise and delay: `cad-robustness`.

    python scripts/robustness.py --checkpoint=runs/tiny --split=test --output=runs/robustness

Scores the split as it is and corrupted in every way, five severities each, and with its sound from
500 ms early to 500 ms late. Writes the scores, `robustness.json`, `robustness.csv` and
`robustness.png` into the output folder; goes on where it was stopped and skips what is done.
"""

import argparse
import csv
import dataclasses
import io
import os
import pathlib
from collections.abc import Sequence

from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.errors import UserError

_FIELDS = ("kind", "severity", "value", "unit", "head", "measure", "figure", "low", "high")


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    args = _parser().parse_args(argv)
    return run_cli(
        "robustness", lambda: _run(args), "interrupted; the same command goes on from here"
    )


def _run(args: argparse.Namespace) -> None:
    from absl import flags, logging  # here and below: --help needs neither JAX nor a decoder

    from cad_jax.data import build_data, open_evaluation
    from cad_jax.evaluation.robustness import Plan, score_corrupted
    from cad_jax.evaluation.robustness_figures import lines, render, robustness_figures
    from cad_jax.run.placement import load_run
    from data_pipelines.records.atomic import atomic_writer, write_json

    logging.set_verbosity(logging.ERROR)
    given = {"kinds": args.kinds, "severities": args.severities, "clips": args.clips}
    plan = Plan(**{name: value for name, value in given.items() if value is not None})
    if not flags.FLAGS.is_parsed():  # the loader's workers ask for it
        flags.FLAGS(["robustness"])
    run = load_run(args.checkpoint)
    if run.config.stage == "pretrain":
        raise UserError(f"{args.checkpoint} is a pretraining, which judges nothing yet")
    data = dataclasses.replace(build_data(run.config).data, workers=args.workers)
    run = run._replace(config=dataclasses.replace(run.config, data=data))
    source = open_evaluation(data, args.split)
    tables = score_corrupted(run, source, plan, args.output)
    draws, seed = run.config.evaluation.bootstrap, run.config.seed
    figures = robustness_figures(tables, draws, seed)
    write_json(figures, args.output / "robustness.json")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_FIELDS, *lines(figures)])
    with atomic_writer(args.output / "robustness.csv") as write:
        write(text.getvalue().encode())
    from cad_jax.evaluation.report_page import write_picture
    from cad_jax.evaluation.robustness_page import draw_robustness

    name = pathlib.Path(data.path).name
    title = f"{name}, {args.split}, step {run.step}: AUC of videos by corruption, 95 % over people"
    write_picture(draw_robustness(title, figures), args.output / "robustness.png")
    print(*render(figures), "", f"picture  {args.output / 'robustness.png'}", sep="\n")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__, "robustness")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="a run's --workdir")
    parser.add_argument("--split", default="test")
    parser.add_argument("--kinds", type=_names, help="comma-separated; all by default")
    parser.add_argument("--severities", type=_numbers, help="e.g. 1,3,5; all by default")
    parser.add_argument(
        "--clips", type=int, help="how many clips are corrupted; delays always take all in sync"
    )
    parser.add_argument(
        "--workers", type=int, default=min(os.cpu_count() or 1, 8), help="processes that encode"
    )
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a folder of its own")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _names(text))
