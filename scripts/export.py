"""Writes a detector as a program that runs without this package: `cad_jax/commands/export.py`."""

import sys

from cad_jax.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
