"""Do a tower's features know what lips do better than the same tower's at random?

    python scripts/probe_sync.py --path=prepared --weights=weights/whisper_base
    python scripts/probe_sync.py --path=prepared --run=runs/lips

Prints how often a small probe of the frozen features finds the sync offset of clips whose speakers
it was not trained on. Of a Whisper encoder: with these weights, with random ones, and with the
plain log-mel, each against mouth pixels. Of a run's lip tower: as it was trained, at random, beside
a random tower of CLIP's kind and mouth pixels, each against the log-mel.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from cad_jax.lab.sync_probe import (
    picture_pairs,
    read_clips,
    report,
    run_probe,
    sound_pairs,
)
from data_pipelines.commands.run import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 1 after one line on standard error."""
    return run_cli("probe_sync", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    clips = read_clips(args.path, args.splits)
    pairs = picture_pairs(clips, args.run) if args.run else sound_pairs(clips, args.weights)
    found = run_probe(clips, pairs, args.repeats)
    print(*report(clips, found), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--path", type=pathlib.Path, required=True, help="the prepared set")
    probed = parser.add_mutually_exclusive_group(required=True)
    probed.add_argument("--weights", type=pathlib.Path, help="converted Whisper")
    probed.add_argument("--run", type=pathlib.Path, help="work folder of a run with a lip tower")
    parser.add_argument("--splits", nargs="+", default=["train", "val", "test"], help="which clips")
    parser.add_argument("--repeats", type=int, default=5, help="random halves of the speakers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
