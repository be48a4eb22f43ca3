"""Studies: `cad_jax/commands/study.py`, which `cad-study` runs too."""

import sys

from cad_jax.commands.study import main

if __name__ == "__main__":
    sys.exit(main())
