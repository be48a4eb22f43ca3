"""The front door: `python train.py --config=configs/cad.py:data=folder,size=tiny`.

An argument chooses presets, `name=choice` joined by commas; any setting can then be overridden,
e.g. `--config.optimizer.learning_rate=3e-4`. Loss weights, LoRA rank and optimiser are ours: CAD
(arXiv 2505.15233) publishes none.

    data=synthetic   the embedded synthetic talking faces, made once into the user's cache (default)
    data=folder      a prepared set, named by --config.data.path
    data=fakeavceleb FakeAVCeleb, prepared, named likewise
    data=drawn       a cartoon set of seconds, which only shows that everything works

    size=tiny        2 CPU cores: 4 minutes make the set, 9 train and evaluate (commit d65a31d);
                     AUC on unseen people 0.91 (0.87-0.94), on unseen manipulations 0.71
                     (0.66-0.76), at commit 9a31a58 (default)
    size=micro       tiny on a fifth of the clips, 4 minutes: an end-to-end check, no result
    size=small       meant for one GPU and an hour; never run yet, no GPU was at hand
    size=b16         the paper's: frozen CLIP ViT-B/16 and Whisper-small, LoRA of rank 8 on both;
                     converted weights in weights/clip_vit_b_16 and weights/whisper_small, or where
                     --config.init.video and --config.init.audio say; never trained yet
    size=l14         the same with CLIP ViT-L/14; never trained yet

    without=nothing       the whole model (default)
    without=alignment     no InfoNCE, KL or mismatch loss: nothing teaches lips against speech
    without=distillation  no teacher for what fusion may forget
    without=fusion        naive fusion: means of the streams, joined
    without=audio         the picture alone
    without=video         the sound alone
"""

from typing import Any

from ml_collections import ConfigDict

from configs.common import parse_argument

CHOICES = {
    "data": ("synthetic", "folder", "fakeavceleb", "drawn"),
    "size": ("tiny", "micro", "small", "b16", "l14"),
    "without": ("nothing", "alignment", "distillation", "fusion", "audio", "video"),
}


def get_config(arg: str = "") -> ConfigDict:
    """The experiment that `arg` chooses.

    Raises:
        ValueError: an unknown option or choice; names the nearest right one.
    """
    options = parse_argument(arg, CHOICES)
    sizes = {"tiny": tiny, "micro": micro, "small": small, "b16": b16, "l14": l14}
    experiment = sizes[options["size"]]()
    experiment["seed"] = 0
    experiment["data"] |= where(options["data"], options["size"])
    leave_out(experiment, options["without"])
    return ConfigDict(experiment).lock()


def where(data: str, size: str) -> dict[str, Any]:
    """Where the clips come from."""
    if data == "synthetic":
        splits = ("test", "test_unseen")
        preset = size if size in ("tiny", "micro") else "small"
        return {"path": "", "builder": f"synthetic_{preset}", "test_splits": splits}
    if data == "fakeavceleb":  # 97.7 % of its clips are forged
        return {"path": "", "builder": "", "test_splits": ("test",), "balance": "class"}
    if data == "drawn":
        return {"path": "runs/drawn-set", "builder": "drawn", "test_splits": ("test",)}
    return {"path": "", "builder": "", "test_splits": ("test",)}


def leave_out(experiment: dict[str, Any], what: str) -> None:
    """Changes the experiment to one of the ablations."""
    model, loss = experiment["model"], experiment["loss"]
    if what == "alignment":
        loss |= {"align_clip": 0.0, "align_frame": 0.0, "kl": 0.0, "mismatch": 0.0}
    elif what == "distillation":
        loss |= {"distill_feature": 0.0, "distill_response": 0.0}
    elif what == "fusion":
        model["fusion"] = "mean"
    elif what in ("audio", "video"):
        model["streams"] = "video" if what == "audio" else "audio"


def tiny() -> dict[str, Any]:
    """From scratch: mouth crops for alignment, whole faces for the specific path."""
    data = {
        "clip": {"seconds": 1.6, "frames": 8, "image_size": 96, "mouth_size": 32},
        "batch_size": 24,
        "workers": 0,
        "limit": 0,
        "features": False,
        "extra_paths": (),
        "evaluate_paths": (),
        "mixture_weights": (),
        "balance": "none",
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
        "specific_audio": whisper(depth=0, stem="spectrogram"),
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
        "init": {"video": "", "audio": "", "run": "", "exclude": ()},
        "mesh": mesh,
        "train": train,
        "evaluation": evaluation,
    }


def micro() -> dict[str, Any]:
    """`tiny`, shortened."""
    experiment = tiny()
    experiment["train"] |= {"steps": 150, "evaluate_every": 150, "checkpoint_every": 150}
    experiment["evaluation"] |= {"bootstrap": 200}
    return experiment


def small() -> dict[str, Any]:
    """`tiny`, wider, deeper and longer, on larger crops."""
    experiment = tiny()
    experiment["data"]["clip"] |= {"frames": 16, "image_size": 128, "mouth_size": 48}
    experiment["data"] |= {"batch_size": 128, "workers": 8}
    wide = {"width": 256, "heads": 8}
    experiment["model"] |= {
        "video": vit(image_size=48, patch_size=16, residual=False, **wide),
        "audio": whisper(**wide | {"depth": 4}),
        "specific_video": vit(image_size=128, patch_size=16, residual=True, **wide),
        "specific_audio": whisper(stem="spectrogram", **wide),
        "width": 256,
        "heads": 8,
        "embedding": 128,
        "compute_dtype": "bfloat16",
    }
    experiment["optimizer"] |= {"learning_rate": 1e-3, "warmup_steps": 500}
    experiment["train"] |= {
        "steps": 10_000,
        "log_every": 50,
        "evaluate_every": 1000,
        "checkpoint_every": 1000,
    }
    experiment["evaluation"] |= {"batch_size": 256}
    return experiment


def b16() -> dict[str, Any]:
    """CAD's towers, frozen, with adapters; the same 16 faces serve both paths."""
    experiment = tiny()
    experiment["data"]["clip"] = {
        "seconds": 3.2,  # of records of 4 s: room for a shift of the sound
        "frames": 16,
        "image_size": 224,
        "mouth_size": 0,
    }
    experiment["data"] |= {"batch_size": 32, "workers": 8}
    experiment["model"] = {
        "video": {"image_size": 224, "patch_size": 16, "width": 768, "depth": 12, "heads": 12},
        "audio": {"mels": 80, "width": 768, "depth": 12, "heads": 12},
        "lora": {"rank": 8, "alpha": 16.0, "targets": ("query", "key", "value", "out")},
        "width": 512,
        "heads": 8,
        "embedding": 256,
        "cross_depth": 1,
        "fusion_depth": 2,
        "compute_dtype": "bfloat16",
        "frozen_dtype": "bfloat16",
        "remat": True,
    }
    experiment["init"] |= {"video": "weights/clip_vit_b_16", "audio": "weights/whisper_small"}
    experiment["optimizer"] |= {
        "learning_rate": 3e-4,
        "warmup_steps": 500,
        "trainable": (("lora_", True), ("_tower/", False), (".*", True)),
    }
    experiment["train"] |= {
        "steps": 10_000,
        "log_every": 50,
        "evaluate_every": 1000,
        "checkpoint_every": 1000,
    }
    return experiment


def l14() -> dict[str, Any]:
    """`b16` with the larger picture tower."""
    experiment = b16()
    experiment["model"]["video"] |= {"patch_size": 14, "width": 1024, "depth": 24, "heads": 16}
    experiment["init"] |= {"video": "weights/clip_vit_l_14"}
    return experiment


def vit(**values: object) -> dict[str, object]:
    """A small picture tower with a convolutional stem."""
    defaults = {"width": 128, "depth": 2, "heads": 4, "stem": "conv", "pool": "mean_max"}
    return defaults | values


def whisper(**values: object) -> dict[str, object]:
    """A small sound tower."""
    return {"mels": 80, "width": 128, "depth": 2, "heads": 4} | values
