"""Trains, evaluates or inspects a detector: `python train.py --config=configs/cad.py`."""

from cad_jax.commands.train import main

if __name__ == "__main__":
    main()
