"""Trained on FakeAVCeleb, tested on other sets with sound: KoDF, DFDC and DF-TIMIT.

    python scripts/study.py run --protocol=cross --output=runs/cross

Never run: the sets are asked for with forms. Nothing is chosen on the other sets, neither
checkpoint nor threshold: they hold no validation split.
"""

from cad_jax.settings.protocol import Protocol, StudySet

OTHERS = (
    StudySet(path="prepared/kodf", reader="kodf", split="test_only"),
    StudySet(path="prepared/dfdc", reader="dfdc", split="test_only"),
    StudySet(
        path="prepared/dftimit", reader="dftimit", options=("vidtimit=VIDTIMIT",), split="test_only"
    ),
)

PROTOCOLS = {
    "cross": Protocol(
        preset="configs/cad.py:data=fakeavceleb,size=b16",
        sets=(
            StudySet(
                path="prepared/fakeavceleb-customary",
                reader="fakeavceleb",
                split="source_disjoint seed=0 shares=0.62/0.07/0.31",
            ),
            *OTHERS,
        ),
    )
}
