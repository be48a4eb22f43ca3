"""Shows or exports clips of a synthetic preset, or makes the whole set.

    python scripts/synthesise.py --preset=synthetic_tiny --sheet=sheet.png
    python scripts/synthesise.py --preset=synthetic_tiny --export=folder --clips=40

The sheet shows people, and every kind of forgery beside its genuine twin. Exported are mp4 files
with a manifest as `prepare.py` reads it. `--build` makes the records that training reads.
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence

import tqdm

from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.synthetic.build import build_dataset, default_directory
from data_pipelines.synthetic.export import export_clips
from data_pipelines.synthetic.plan import num_clips
from data_pipelines.synthetic.presets import PRESETS, find_preset
from data_pipelines.synthetic.sheet import write_sheet


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    return run_cli("synthesise", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    parser = _parser()
    if not (args.sheet or args.export or args.build):
        parser.error("nothing to do: name --sheet, --export or --build")
    preset = find_preset(args.preset)
    if args.sheet:
        write_sheet(args.sheet, preset, args.seed)
        print(f"contact sheet: {args.sheet}")
    if args.export:
        clips = tqdm.trange(min(args.clips, num_clips(preset)), unit="clip", disable=None)
        print(f"clips: {export_clips(args.export, preset, args.seed, clips)}")
    if args.build:
        directory = default_directory(preset, args.seed)
        workers = os.cpu_count() or 1
        build_dataset(directory, preset, seed=args.seed, workers=workers, progress=True)
        print(f"records: {directory}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--preset", default="synthetic_tiny", help=f"one of: {', '.join(PRESETS)}")
    parser.add_argument("--seed", type=int, default=0, help="other people, other clips")
    parser.add_argument("--sheet", type=pathlib.Path, help="PNG file for the contact sheet")
    parser.add_argument("--export", type=pathlib.Path, help="folder for mp4 files and manifest.csv")
    parser.add_argument("--clips", type=int, default=40, help="how many to export")
    parser.add_argument("--build", action="store_true", help="make the set in the user's cache")
    return parser


if __name__ == "__main__":
    sys.exit(main())
