"""Turns a data set's clips into TFRecord shards of aligned face crops and sound.

python scripts/prepare.py --reader=folder --root=clips --output=prepared --preview
python scripts/prepare.py --reader=faceforensics --option compression=c40 --root=FF --output=ff_c40
python scripts/prepare.py --root=DIR --output=DIR --runner=beam -- --runner=FlinkRunner ...
"""

import argparse
import os
from collections.abc import Sequence

from data_pipelines.benchmarks.listing import check_classes
from data_pipelines.benchmarks.registry import GENUINE, READERS, find_reader, reader_options
from data_pipelines.commands.run import run_cli
from data_pipelines.errors import UserError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.paths import local_path
from data_pipelines.preparation.preview import write_preview
from data_pipelines.preparation.run import prepare
from data_pipelines.splits.file import apply_split, choose_split, compare, split_lines
from data_pipelines.splits.schemes import SCHEMES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one preparation; 0 if the set is complete, 1 after one line on standard error."""
    return run_cli(
        "prepare",
        lambda: _run(_parser().parse_args(argv)),
        interrupted="interrupted; the same command goes on from here",
    )


def _run(args: argparse.Namespace) -> int:
    settings = PrepareSettings(
        size=args.size,
        margin=args.margin,
        window_s=args.window,
        stride_s=args.stride or args.window,
        min_s=args.shortest,
        jpeg_quality=args.quality,
        reencode=args.reencode,
        trim_silence=args.trim_silence,
        loudness=args.loudness,
    )
    options = reader_options(args.reader, args.option)
    sources = find_reader(args.reader)(args.root, **options)
    if args.reader not in {"folder", *GENUINE} and not args.one_class:
        check_classes(sources)
    split = choose_split(sources, args.split)
    print(*split_lines(split, sources), compare(split, sources).line(), sep="\n")
    sources = apply_split(split, sources)
    report = prepare(
        sources,
        settings,
        args.output,
        workers=args.workers,
        max_skipped=args.max_skipped,
        timeout_s=args.timeout,
        beam_options=_beam_options(args),
        split=split,
        progress=True,
    )
    print(*report.lines(), sep="\n")
    if args.preview:
        print(f"contact sheet: {write_preview(args.output)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prepare", description=__doc__, allow_abbrev=False)
    parser.add_argument("--reader", default="folder", help=f"one of: {', '.join(READERS)}")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="of the reader"
    )
    parser.add_argument("--root", type=local_path, required=True, help="where the data set lies")
    parser.add_argument("--one-class", action="store_true", help="take a set that lacks a class")
    parser.add_argument("--output", type=local_path, required=True, help="folder for the shards")
    parser.add_argument("--split", default="", help=f"a file or: {', '.join(SCHEMES)}")
    parser.add_argument("--runner", default="local", choices=["local", "beam"], help="who works")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--size", type=int, default=224, help="side of the face crop, pixels")
    parser.add_argument("--margin", type=float, default=0.3, help="crop beyond the face's height")
    parser.add_argument("--window", type=float, default=4.0, help="length of a clip, seconds")
    parser.add_argument("--stride", type=float, help="between clips, seconds; default: the window")
    parser.add_argument("--shortest", type=float, default=0.5, help="shortest clip kept, seconds")
    parser.add_argument("--quality", type=int, default=92, help="of the crops' JPEG, 1 to 100")
    parser.add_argument("--reencode", type=int, default=0, help="CRF of one H.264 pass for all")
    parser.add_argument("--trim-silence", action="store_true", help="cut the silent ends off")
    parser.add_argument("--loudness", type=float, help="RMS of the sound, dBFS, e.g. -26")
    parser.add_argument("--max-skipped", type=float, default=0.1, help="share that may be lost")
    parser.add_argument("--timeout", type=float, default=900.0, help="per clip, seconds")
    parser.add_argument("--preview", action="store_true", help="write a contact sheet")
    parser.add_argument("beam_options", nargs="*", help="after `--`: options of the Beam pipeline")
    return parser


def _beam_options(args: argparse.Namespace) -> list[str] | None:
    if args.runner == "beam":
        return args.beam_options
    if args.beam_options:
        raise UserError(f"{args.beam_options[0]!r} is for Beam: say --runner=beam before `--`")
    return None
