"""Judges files: `cad_jax/commands/predict.py`, which `cad-predict` runs too."""

import sys

from cad_jax.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
