"""FakeAVCeleb v1.2: within the set, people or groups of people apart; one way of forging unseen.

    python scripts/study.py run --protocol=fakeavceleb --output=runs/fakeavceleb
    python scripts/study.py run --protocol=fakeavceleb:ethnicity --output=runs/ethnicity
    python scripts/study.py run --protocol=fakeavceleb:unseen-wav2lip --output=runs/unseen-wav2lip

Never run: the set is asked for with a form. README.md beside this file says what each protocol
may be held against.
"""

import dataclasses

from cad_jax.settings.protocol import PARTS, Protocol, StudySet


def fakeavceleb(name: str, split: str) -> Protocol:
    """Of one split; 97.7 % of the clips are forged, so training is balanced."""
    path = f"prepared/fakeavceleb-{name}"
    return Protocol(
        preset="configs/cad.py:data=fakeavceleb,size=b16",
        sets=(StudySet(path=path, reader="fakeavceleb", split=split),),
    )


CUSTOMARY = "source_disjoint seed=0 shares=0.62/0.07/0.31"

PROTOCOLS = {
    "fakeavceleb": fakeavceleb("customary", CUSTOMARY),
    "parts": dataclasses.replace(fakeavceleb("customary", CUSTOMARY), variants=("full", *PARTS)),
    "70-30": fakeavceleb("70-30", "source_disjoint seed=0 shares=0.63/0.07/0.3"),
    "ethnicity": fakeavceleb("ethnicity", "ethnicity"),
    "disjoint": fakeavceleb("disjoint", "disjoint seed=0 shares=0.8/0.1/0.1"),
    **{
        f"fold-{fold}": fakeavceleb(f"fold-{fold}", f"kfold fold={fold} folds=5 by=identity seed=0")
        for fold in range(5)
    },
    **{
        f"unseen-{method}": fakeavceleb(f"unseen-{method}", f"{CUSTOMARY} leave_out={method}")
        for method in ("wav2lip", "faceswap", "fsgan", "rtvc")
    },
}
