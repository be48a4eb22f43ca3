"""The front door: `python train.py --config=configs/cad.py:data=folder,size=tiny`.

An argument chooses presets, `name=choice` joined by commas; every setting can then be overridden,
e.g. `--config.optimizer.learning_rate=3e-4`, and `--mode=config` prints all of them. A preset
states what it changes; the rest is the defaults of `cad_jax/settings`. Loss weights, LoRA rank and
optimiser are ours: CAD (arXiv 2505.15233) publishes none.

    data=synthetic   the embedded synthetic talking faces, made once into the user's cache (default)
    data=folder      a prepared set, named by --config.data.path
    data=fakeavceleb FakeAVCeleb, prepared, named likewise
    data=drawn       a cartoon set of seconds, which only shows that everything works

    size=tiny        2 CPU cores: 5 minutes make the set, 9 to 15 train and evaluate; AUC on unseen
                     people 0.95 (0.93-0.97), on unseen manipulations 0.83 (0.78-0.89), at commit
                     0a3b0a8 (default)
    size=micro       tiny on a fifth of the clips, 3 to 6 minutes: an end-to-end check, no result
    size=small       meant for one GPU and an hour; never run yet, no GPU was at hand
    size=b16         the paper's: frozen CLIP ViT-B/16 and Whisper-small, LoRA of rank 8 on both;
                     converted weights in weights/clip_vit_b_16 and weights/whisper_small, or where
                     --config.init.video and --config.init.audio say; never trained yet
    size=l14         the same with CLIP ViT-L/14; never trained yet
    size=lips        ours, meant for GPUs: frozen AV-HuBERT base (lips) and Whisper-small for
                     alignment, CLIP ViT-B/16 and Whisper-small with LoRA for the specific path;
                     converted weights as of b16, and in weights/avhubert_base; never trained yet
    size=lips_tiny   tiny with a small lip tower from scratch for alignment; never trained yet

    without=nothing       the whole model (default)
    without=alignment     no InfoNCE, KL or mismatch loss: nothing teaches lips against speech
    without=distillation  no teacher for what fusion may forget
    without=both          neither of these two
    without=kl            of alignment, InfoNCE alone
    without=contrast      of alignment, KL alone, and the mismatch loss
    without=clip_contrast   InfoNCE over offsets alone; without=frame_contrast: over clips alone
    without=adapters      no LoRA: the specific path, too, sees the towers as they were published
    without=fusion        naive fusion: means of the streams, joined
    without=audio         the picture alone
    without=video         the sound alone
"""

from typing import Any

from ml_collections import ConfigDict

from cad_jax.settings.presets import complete, parse_argument

CHOICES = {
    "data": ("synthetic", "folder", "fakeavceleb", "drawn"),
    "size": ("tiny", "micro", "small", "b16", "l14", "lips", "lips_tiny"),
    "without": (
        *("nothing", "alignment", "distillation", "both", "fusion", "audio", "video"),
        *("kl", "contrast", "clip_contrast", "frame_contrast", "adapters"),
    ),
}


def get_config(arg: str = "") -> ConfigDict:
    """Every setting of the experiment that `arg` chooses.

    Raises:
        ValueError: an unknown option or choice; names the nearest right one.
    """
    options = parse_argument(arg, CHOICES)
    return complete(*SIZES[options["size"]], where(**options), WITHOUT[options["without"]])


def where(data: str, size: str, **_: str) -> dict[str, Any]:
    """Where the clips come from."""
    if data == "synthetic":
        made = {"tiny": "tiny", "lips_tiny": "tiny", "micro": "micro"}.get(size, "small")
        return {"data": {"builder": f"synthetic_{made}", "test_splits": ("test", "test_unseen")}}
    if data == "fakeavceleb":  # 97.7 % of its clips are forged
        return {"data": {"balance": "class"}}
    if data == "drawn":
        return {"data": {"path": "runs/drawn-set", "builder": "drawn"}}
    return {}


CONTRAST = ("align_clip", "align_frame")
ALIGNMENT = (*CONTRAST, "kl", "mismatch")
DISTILLATION = ("distill_feature", "distill_response")
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "alignment": {"loss": dict.fromkeys(ALIGNMENT, 0.0)},
    "distillation": {"loss": dict.fromkeys(DISTILLATION, 0.0)},
    "both": {"loss": dict.fromkeys((*ALIGNMENT, *DISTILLATION), 0.0)},
    "fusion": {"model": {"fusion": "mean"}},
    "audio": {"model": {"streams": "video"}},
    "video": {"model": {"streams": "audio"}},
    "kl": {"loss": {"kl": 0.0}},
    "contrast": {"loss": dict.fromkeys(CONTRAST, 0.0)},
    "clip_contrast": {"loss": {"align_clip": 0.0}},
    "frame_contrast": {"loss": {"align_frame": 0.0}},
    "adapters": {"model": {"lora": {"rank": 0}}},
}


def from_scratch(width: int, heads: int, mouth: int, face: int, **depths: int) -> dict[str, Any]:
    """Towers from random weights: mouth crops for alignment, whole faces for the specific path.

    Args:
        width, heads: of every tower and of what follows.
        mouth, face: sides of the crops, pixels.
        depths: transformer blocks by tower; 2 where nothing is said.
    """
    sizes = {"width": width, "heads": heads}
    picture = sizes | {"stem": "conv", "pool": "mean_max"}
    towers: dict[str, dict[str, Any]] = {
        "video": picture | {"image_size": mouth},
        "audio": sizes,
        "specific_video": picture | {"image_size": face, "residual": True},
        "specific_audio": sizes | {"stem": "spectrogram"},
    }
    return {
        **{name: tower | {"depth": depths.get(name, 2)} for name, tower in towers.items()},
        "specific_towers": ("video", "audio"),
        "texture_statistics": True,
        "verdict": "joint",
        "voice_statistics": True,
        "lora": {"rank": 0},
        **sizes,
        "temporal_depth": 2,
        "centre_time": True,
    }


# What the presets from scratch share.
SYNTHETIC_AUGMENT = {
    "flip": 0.5,
    "colour": 0.5,
    "gain": 0.5,
    "noise": 0.2,
    "sync_shift": 0.25,
    "sync_exchange": 0.1,
    "drop_video": 0.05,
    "drop_audio": 0.05,
}
SYNTHETIC_LOSS = {
    "uni": 1.0,
    "align_clip": 0.3,
    "kl": 0.01,
    "distill_feature": 0.1,
    "distill_response": 0.1,
    "mismatch": 0.3,
}

TINY = {
    "data": {
        "clip": {"seconds": 1.6, "frames": 8, "image_size": 96, "mouth_size": 32},
        "batch_size": 24,
        "augment": SYNTHETIC_AUGMENT,
    },
    "model": from_scratch(128, 4, 32, 96, specific_video=0, specific_audio=0) | {"embedding": 64},
    "loss": SYNTHETIC_LOSS,
    "optimizer": {"learning_rate": 2e-3, "warmup_steps": 50, "weight_decay": 0.05},
    "train": {"steps": 500, "log_every": 10, "evaluate_every": 100, "checkpoint_every": 100},
}

# A change of TINY.
MICRO = {
    "train": {"steps": 100, "evaluate_every": 100, "checkpoint_every": 100},
    "evaluation": {"bootstrap": 200},
}

SMALL = {
    "data": {
        "clip": {"seconds": 1.6, "frames": 16, "image_size": 128, "mouth_size": 48},
        "batch_size": 128,
        "workers": 8,
        "augment": SYNTHETIC_AUGMENT,
    },
    "model": from_scratch(256, 8, 48, 128, audio=4)
    | {"embedding": 128, "compute_dtype": "bfloat16"},
    "loss": SYNTHETIC_LOSS,
    "optimizer": {"learning_rate": 1e-3, "warmup_steps": 500, "weight_decay": 0.05},
    "train": {"steps": 10_000, "log_every": 50, "evaluate_every": 1000, "checkpoint_every": 1000},
    "evaluation": {"batch_size": 256},
}

# CAD's towers, frozen, with adapters; the same 16 faces of 3.2 s serve both paths. Records of 4 s
# leave room for a shift of the sound. Weights and augmentation are a first choice, never tuned.
B16 = {
    "data": {
        "batch_size": 32,
        "workers": 8,
        "augment": {
            "flip": 0.5,
            "colour": 0.5,
            "jpeg": 0.3,
            "gain": 0.5,
            "noise": 0.2,
            "sync_shift": 0.2,
            "sync_exchange": 0.1,
            "drop_video": 0.05,
            "drop_audio": 0.05,
        },
    },
    "model": {
        "lora": {"targets": ("query", "key", "value", "out")},
        "compute_dtype": "bfloat16",
        "frozen_dtype": "bfloat16",
        "remat": "all",
    },
    "loss": {
        "cls": 1.0,
        "uni": 0.5,
        "align_clip": 0.5,
        "align_frame": 0.2,
        "kl": 0.1,
        "distill_feature": 0.2,
        "distill_response": 0.2,
        "mismatch": 0.2,
    },
    "optimizer": {
        "learning_rate": 3e-4,
        "warmup_steps": 500,
        "weight_decay": 0.05,
        "trainable": (("_tower/(?!.*/lora_)", False), (".*", True)),
    },
    "init": {"video": "weights/clip_vit_b_16", "audio": "weights/whisper_small"},
    "train": {"steps": 10_000, "log_every": 50, "evaluate_every": 1000, "checkpoint_every": 1000},
}

# A change of B16.
L14 = {
    "model": {"video": {"patch_size": 14, "width": 1024, "depth": 24, "heads": 16}},
    "init": {"video": "weights/clip_vit_l_14"},
}

# A change of B16: mouth crops at 25 frames a second, as AV-HuBERT was trained on as nearly as
# records allow (see README.md), in place of faces for alignment. Its frames follow one another, so
# the projectors look along time and only what moves is compared. All first choices.
LIPS = {
    "data": {
        "clip": {"mouth_size": 88, "mouth_margin": 1.28, "mouth_smoothing": 1},
        "augment": {"mouth_shift": 4 / 88},
    },
    "model": {
        "align_tower": "lips",
        "specific_towers": ("video",),
        "temporal_depth": 2,
        "centre_time": True,
    },
    "init": {"video": "weights/avhubert_base", "specific_video": "weights/clip_vit_b_16"},
}

# A change of TINY: its mouth crops, a fifth more CPU seconds a step.
LIPS_TINY = {
    "model": {
        "align_tower": "lips",
        "lips": {
            "image_size": 32,
            "channels": 12,
            "norm": "image",
            "width": 128,
            "depth": 1,
            "heads": 4,
            "position_kernel": 16,
            "position_groups": 4,
        },
    },
}

SIZES = {
    "tiny": (TINY,),
    "micro": (TINY, MICRO),
    "small": (SMALL,),
    "b16": (B16,),
    "l14": (B16, L14),
    "lips": (B16, LIPS),
    "lips_tiny": (TINY, LIPS_TINY),
}
