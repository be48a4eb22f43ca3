"""Two variants and two seeds of a model of no use on a drawn set: shows that a study works.

python scripts/study.py run --protocol=smoke --output=runs/smoke
"""

from cad_jax.settings.protocol import Protocol

TOWER = {"width": 32, "depth": 1, "heads": 2}

PROTOCOLS = {
    "smoke": Protocol(
        preset="configs/cad.py:data=drawn,size=micro",
        changes={
            "data": {"clip": {"seconds": 1.0, "frames": 4, "image_size": 32, "mouth_size": 0}},
            "model": {
                "video": TOWER | {"image_size": 32, "stem": "patch"},
                "audio": TOWER,
                "specific_towers": (),
                "width": 32,
                "heads": 2,
                "embedding": 16,
                "fusion_depth": 1,
                "temporal_depth": 1,
            },
            "train": {"steps": 4, "evaluate_every": 4, "checkpoint_every": 4, "log_every": 1},
            "evaluation": {"bootstrap": 20},
        },
        variants=("full", "no-alignment", "late-maximum", "late-logistic"),
        seeds=(0, 1),
        metrics=("auc", "accuracy"),
        draws=100,
    )
}
