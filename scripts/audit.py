"""Audits a prepared set: `data_pipelines/commands/audit.py`, which `cad-audit` runs too."""

import sys

from data_pipelines.commands.audit import main

if __name__ == "__main__":
    sys.exit(main())
