"""Our Whisper encoder against transformers' on published weights and a real clip's sound.

    python scripts/check_whisper.py --weights=model.bin --clip=clip.mp4

MODEL.BIN is CTranslate2's form of a Whisper model, CLIP any file with sound, of which the first
30 s are heard. Needs the extra [parity]; 1 where more than rounding tells the outputs apart.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from cad_jax.lab.whisper_check import measure_real_whisper
from data_pipelines.commands.run import command_parser, run_cli
from data_pipelines.errors import UserError
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.sound import read_audio
from data_pipelines.records.clip import SAMPLE_RATE

LIMIT = 5  # times the reference's own rounding error


def main(argv: Sequence[str] | None = None) -> int:
    """0 where the outputs agree, or 1 after one line on standard error."""
    return run_cli("check_whisper", lambda: _run(_parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    waveform = _first_30s(args.clip)
    parity = measure_real_whisper(args.weights, waveform)
    print(f"{len(waveform) / SAMPLE_RATE:.1f} s of sound, outputs up to {parity.largest:.1f}")
    print("largest differences of")
    print(f"  the log-mel from transformers'                {parity.features:.1e}")
    print(f"  our encoder from the reference in float64     {parity.encoder:.1e}")
    print(f"  the reference in float32 from itself          {parity.reference:.1e}")
    print(f"  the file's own rounding of the positions      {parity.positions:.1e}")
    if not parity.encoder < LIMIT * parity.reference:
        print("check_whisper: more than rounding tells the two apart", file=sys.stderr)
        return 1
    return 0


def _first_30s(clip: pathlib.Path) -> np.ndarray:
    try:
        sound = read_audio(clip, MediaLimits())
    except MediaError as error:
        raise UserError(f"{clip}: {error}") from None
    if sound is None:
        raise UserError(f"{clip} has no sound")
    return sound.samples[: 30 * SAMPLE_RATE].astype(np.float32) / 32768


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--weights", type=pathlib.Path, required=True, help="a model.bin")
    parser.add_argument("--clip", type=pathlib.Path, required=True, help="wav, mp4, webm, ...")
    return parser


if __name__ == "__main__":
    sys.exit(main())
