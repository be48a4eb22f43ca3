"""Pretraining: `python train.py --config=configs/pretrain.py:data=voxceleb2,size=b16`.

The alignment path alone learns lips against speech, by InfoNCE, from genuine clips and without any
label of forgery. Its result, a moving average of the parameters, is what a training of
`configs/cad.py` of the same size starts from: `--config.init.run=`. The best checkpoint is chosen
by sync AUC on the validation split, whose people are not trained on.

    data=synthetic   the genuine clips of the embedded synthetic set (default)
    data=folder      a prepared set, named by --config.data.path
    data=voxceleb2   VoxCeleb2, prepared by the reader of that name into prepared/voxceleb2, or
                     where --config.data.path says
    data=lrs3        LRS3 likewise
    data=avspeech    AVSpeech likewise

    size=tiny        2 CPU cores: 4 minutes; lips and speech of unseen people told from shifted
                     ones with AUC 1.00, RESULTS.md says more (default)
    size=micro       tiny on a fifth of the clips, 3 minutes
    size=lips_tiny   tiny's, with its lip tower; never run
    size=small, b16, l14, lips
                     as in configs/cad.py, but the towers are trained whole; never run: batch, rate
                     and length are a first choice
"""

import pathlib
import runpy
from typing import Any

from ml_collections import ConfigDict

from cad_jax.settings.loss import weights
from cad_jax.settings.presets import complete, parse_argument

# The neighbour is no module: where the package is installed, presets have no importable name.
CAD = runpy.run_path(str(pathlib.Path(__file__).with_name("cad.py")))
SETS = ("voxceleb2", "lrs3", "avspeech")
CHOICES = {"data": ("synthetic", "folder", *SETS), "size": CAD["CHOICES"]["size"]}


def get_config(arg: str = "") -> ConfigDict:
    """Every setting of the pretraining that `arg` chooses.

    Raises:
        ValueError: an unknown option or choice; names the nearest right one.
    """
    options = parse_argument(arg, CHOICES)
    size = options["size"]
    return complete(*CAD["SIZES"][size], PRETRAIN, *LONG[size], where(**options))


def where(data: str, size: str) -> dict[str, Any]:
    """Where the clips come from."""
    return {"data": {"path": f"prepared/{data}"}} if data in SETS else CAD["where"](data, size)


# Every clip is whole and in sync: the other clips, and the same clip's other times, are negatives
# enough.
PRETRAIN = {
    "stage": "pretrain",
    "data": {
        "genuine_only": "all",
        "augment": {"sync_shift": 0.0, "sync_exchange": 0.0, "drop_video": 0.0, "drop_audio": 0.0},
    },
    "loss": dict.fromkeys(weights(), 0.0) | {"align_clip": 1.0, "align_frame": 1.0},
    "optimizer": {"ema_decay": 0.99, "trainable": ((".*", True),)},
}

TINY = {
    "data": {"batch_size": 48},
    "train": {"steps": 250, "evaluate_every": 50, "checkpoint_every": 50},
}

MICRO = {"train": {"steps": 150}}

SMALL = {
    "data": {"batch_size": 512},
    "optimizer": {"ema_decay": 0.999, "warmup_steps": 1000},
    "train": {"steps": 20_000},
}

# For slices of a pod: the ring form's memory is linear in the clips of one device.
B16 = {
    "data": {"batch_size": 4096, "workers": 16},
    "loss": {"info_nce": "ring"},
    "optimizer": {"ema_decay": 0.9999, "warmup_steps": 5000},
    "train": {"steps": 100_000, "evaluate_every": 2000, "checkpoint_every": 2000},
    "evaluation": {"batch_size": 1024},
}

# Size -> changes, on top of the size of `cad.py`.
LONG = {
    "tiny": (TINY,),
    "micro": (TINY, MICRO),
    "small": (SMALL,),
    "b16": (B16,),
    "l14": (B16,),
    "lips": (B16,),
    "lips_tiny": (TINY,),
}
