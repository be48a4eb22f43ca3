"""Judges files: `python scripts/predict.py clip.mp4 --checkpoint=runs/mine`."""

import sys

from cad_jax.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
