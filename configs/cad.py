"""The front door: `python train.py --config=configs/cad.py:data=folder,size=tiny`.

An argument chooses presets, `name=choice` joined by commas; any setting can then be overridden,
e.g. `--config.optimizer.learning_rate=3e-4`. Loss weights, LoRA rank and optimiser are ours: CAD
(arXiv 2505.15233) publishes none.

    data=synthetic   the embedded synthetic talking faces, made once into the user's cache (default)
    data=folder      a prepared set, named by --config.data.path
    data=drawn       a cartoon set of seconds, which only shows that everything works
    size=tiny        minutes on 2 CPU cores (default)
"""

from typing import Any

from ml_collections import ConfigDict

from configs.common import parse_argument

CHOICES = {"data": ("synthetic", "folder", "drawn"), "size": ("tiny",)}


def get_config(arg: str = "") -> ConfigDict:
    """The experiment that `arg` chooses.

    Raises:
        ValueError: an unknown option or choice; names the nearest right one.
    """
    options = parse_argument(arg, CHOICES)
    experiment = {"tiny": tiny}[options["size"]]()
    experiment["seed"] = 0
    experiment["data"] |= DATA[options["data"]]
    return ConfigDict(experiment).lock()


# Where clips come from.
DATA = {
    "synthetic": {
        "path": "",
        "builder": "synthetic_tiny",
        "test_splits": ("test", "test_unseen"),
    },
    "drawn": {"path": "runs/drawn-set", "builder": "drawn", "test_splits": ("test",)},
    "folder": {"path": "", "builder": "", "test_splits": ("test",)},
}


def tiny() -> dict[str, Any]:
    """From scratch: mouth crops for alignment, whole faces for the specific path."""
    data = {
        "clip": {"seconds": 1.6, "frames": 8, "image_size": 96, "mouth_size": 32},
        "batch_size": 24,
        "workers": 0,
        "limit": 0,
        "extra_paths": (),
        "genuine_only": "none",
        "train_split": "train",
        "validation_split": "val",
        "augment": {
            "flip": 0.5,
            "colour": 0.5,
            "gain": 0.5,
            "noise": 0.2,
            "sync_shift": 0.25,
            "sync_exchange": 0.1,
            "pseudo_fake": 0.0,
            "pseudo_fake_traces": "clear",
            "drop_video": 0.05,
            "drop_audio": 0.05,
        },
    }
    model = {
        "video": vit(image_size=32, patch_size=16, residual=False),
        "audio": whisper(),
        "specific_video": vit(image_size=96, patch_size=16, depth=0, residual=True),
        "specific_audio": whisper(),
        "lora": {"rank": 0},
        "width": 128,
        "heads": 4,
        "embedding": 64,
        "temporal_depth": 2,
        "centre_time": True,
        "cross_depth": 1,
        "fusion_depth": 2,
    }
    loss = {
        "cls": 1.0,
        "uni": 1.0,
        "align_clip": 0.3,
        "align_frame": 0.5,
        "kl": 0.01,
        "distill_feature": 0.1,
        "distill_response": 0.1,
        "mismatch": 0.3,
    }
    optimizer = {
        "learning_rate": 2e-3,
        "warmup_steps": 50,
        "weight_decay": 0.05,
        "decay_scale": (("(kernel|embedding)$", 1.0), (".*", 0.0)),
    }
    mesh = {"data": -1, "fsdp": 1}
    train = {
        "steps": 500,
        "log_every": 10,
        "evaluate_every": 100,
        "checkpoint_every": 100,
        "early_stop": 0,
        "profile_at": 0,
    }
    evaluation = {"batch_size": 32, "bootstrap": 1000}

    return {
        "data": data,
        "model": model,
        "loss": loss,
        "optimizer": optimizer,
        "mesh": mesh,
        "train": train,
        "evaluation": evaluation,
    }


def vit(**values: object) -> dict[str, object]:
    """A small picture tower with a convolutional stem."""
    defaults = {"width": 128, "depth": 2, "heads": 4, "stem": "conv", "pool": "mean_max"}
    return defaults | values


def whisper() -> dict[str, object]:
    """A small sound tower."""
    return {"mels": 80, "width": 128, "depth": 2, "heads": 4}
