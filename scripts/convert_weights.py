"""Converts a published CLIP vision tower or Whisper encoder into the form that training loads.

    python scripts/convert_weights.py --source=clip-vit-base-patch16 --output=weights/clip_vit_b_16

SOURCE is a folder with safetensors (Hugging Face), a state dict saved by torch (OpenAI's Whisper
files are such), or CTranslate2's model.bin. Which tower it is, the file says itself.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from cad_jax.weights.convert import convert
from cad_jax.weights.files import open_published
from cad_jax.weights.store import WeightsInfo, refuse_other_content, write_tower
from cad_jax.weights.towers import preset_name
from data_pipelines.commands.run import run_cli


def main(argv: Sequence[str] | None = None) -> int:
    """Converts one tower; 0, or 1 after one line on standard error."""
    return run_cli(
        "convert_weights",
        lambda: _run(_parser().parse_args(argv)),
        interrupted="interrupted; nothing was written",
    )


def _run(args: argparse.Namespace) -> int:
    refuse_other_content(args.output)  # before minutes of work, not after
    published = open_published(args.source)
    weights = convert(published)
    info = write_tower(weights, tuple(file.name for file in published.files), args.output)
    count = sum(array.size for array in weights.params.values())
    print(f"{_name(info)}: {count / 1e6:.1f} M parameters, {', '.join(info.dtypes)}")
    print(f"written to {args.output}, sha256 {info.sha256[:16]}")
    return 0


def _name(info: WeightsInfo) -> str:
    """The published tower's name, and its settings where it is none of those."""
    if name := preset_name(info.architecture):
        return name
    settings = dataclasses.asdict(info.architecture)
    return f"{info.kind} " + ", ".join(f"{name} {value}" for name, value in settings.items())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--source", type=pathlib.Path, required=True, help="file or folder")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to be made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
