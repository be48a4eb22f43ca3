"""Robustness: `cad_jax/commands/robustness.py`, which `cad-robustness` runs too."""

import sys

from cad_jax.commands.robustness import main

if __name__ == "__main__":
    sys.exit(main())
