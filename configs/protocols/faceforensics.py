"""FaceForensics++: within the set, to Celeb-DF, DFDC and DF-TIMIT, and one manipulation unseen.

    python scripts/study.py run --protocol=faceforensics --output=runs/faceforensics
    python scripts/study.py run --protocol=faceforensics:unseen-Deepfakes --output=runs/unseen

Soundless, so pictures alone are compared, per video. Never run: the sets are asked for with forms.
"""

from cad_jax.settings.protocol import Protocol, StudySet

OTHERS = (
    StudySet(path="prepared/celebdf", reader="celebdf", split="test_only"),
    StudySet(path="prepared/dfdc", reader="dfdc", split="test_only"),
    StudySet(
        path="prepared/dftimit", reader="dftimit", options=("vidtimit=VIDTIMIT",), split="test_only"
    ),
)
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def faceforensics(compression: str, split: str, *others: StudySet) -> Protocol:
    """Of one compression and split, tested on other sets besides."""
    own = StudySet(
        path=f"prepared/ff-{compression}-{split.partition('leave_out=')[2] or 'all'}",
        reader="faceforensics",
        options=(f"compression={compression}",),
        split=split,
    )
    return Protocol(
        preset="configs/cad.py:data=folder,size=b16",
        sets=(own, *others),
        changes={"data": {"balance": "class"}},
        variants=("video-only",),
    )


PROTOCOLS = {
    "faceforensics": faceforensics("c23", "official", *OTHERS),
    "c40": faceforensics("c40", "official", *OTHERS),
    **{
        f"unseen-{method}": faceforensics("c23", f"official leave_out={method}")
        for method in METHODS
    },
}
