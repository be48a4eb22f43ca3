"""Judges one file: `python scripts/predict.py clip.mp4 --checkpoint=runs/mine`.

Prints a JSON verdict, or the reason why there is none. Several files give one verdict a line.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

from data_pipelines.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """0 if every file got a verdict, 1 if there is no detector, 2 if some file got none."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("files", type=pathlib.Path, nargs="+", help="video or sound")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="a run's --workdir")
    args = parser.parse_args(argv)

    from absl import logging

    from cad_jax.inference import Detector  # after the arguments: it takes seconds

    logging.set_verbosity(logging.ERROR)

    try:
        detector = Detector.load(args.checkpoint)
        verdicts = map(detector.predict, args.files)
        indent = 2 if len(args.files) == 1 else None
        answers = set()
        for verdict in verdicts:
            print(json.dumps(verdict, indent=indent), flush=True)
            answers.add(verdict["answer"])
    except (UserError, OSError) as error:
        print(f"predict: {error}", file=sys.stderr)
        return 1
    return 0 if answers == {"yes"} else 2


if __name__ == "__main__":
    sys.exit(main())
