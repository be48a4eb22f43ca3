"""Makes a bundle of a run: `cad_jax/commands/bundle.py`."""

import sys

from cad_jax.commands.bundle import main

if __name__ == "__main__":
    sys.exit(main())
