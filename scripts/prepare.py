"""Prepares a data set: `data_pipelines/commands/prepare.py`, which `cad-prepare` runs too."""

import sys

from data_pipelines.commands.prepare import main

if __name__ == "__main__":
    sys.exit(main())
