"""The objective's settings: the weights of its terms and their constants."""

import dataclasses
from typing import Any, Literal

from cad_jax.settings.model import SYNC_RADIUS

Form = Literal["auto", "dense", "gather", "ring"]
Contrast = Literal["softmax", "sigmoid"]
Head = Literal["video", "audio", "mismatch"]
HEADS: tuple[Head, ...] = ("video", "audio", "mismatch")


def weight(default: float, *, pretrains: bool = False) -> Any:
    """A field that is the weight of the term of its name in `losses.total.TERMS`.

    Args:
        default: its value.
        pretrains: the term learns the alignment path, from genuine clips alone.
    """
    return dataclasses.field(default=default, metadata={"weight": True, "pretrains": pretrains})


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights and constants of the objective. The values are ours: CAD publishes none.

    Attributes:
        cls: weight of the fused verdict's cross-entropy; 0 leaves a term out altogether.
        uni: weight of the cross-entropies of the two specific verdicts.
        align_clip: weight of the contrast between the clips of the global batch.
        align_frame: weight of InfoNCE over time offsets inside a clip.
        kl: weight of the divergence between the shared semantics of picture and sound.
        distill_feature: weight of the negative cosine between guessed and specific features.
        distill_response: weight of the specific verdicts distilled into the fused representation.
        mismatch: weight of the sync verdict's cross-entropy.
        info_nce: how the contrast over clips is computed: `dense`, `gather` or `ring`, equal in
            value and gradient; `auto` chooses by clips, embedding and devices.
        contrast: over clips: `softmax` is InfoNCE; `sigmoid` judges every pair by itself (SigLIP),
            with a learned bias that starts at -10 and an inverse temperature that starts at 10.
        offset_near: time offsets up to this many bins of 40 ms are no negatives.
        kl_temperature: of the alignment's distributions.
        distill_temperature: of the response distillation.
        adjustment: strength tau of the logit adjustment by the measured priors; 0 for none.
        stop_gradient: hold the teachers fixed; False only to show the collapse.
    """

    cls: float = weight(1.0)
    uni: float = weight(0.5)
    align_clip: float = weight(0.5, pretrains=True)
    align_frame: float = weight(0.5, pretrains=True)
    kl: float = weight(0.0)
    distill_feature: float = weight(0.2)
    distill_response: float = weight(0.2)
    mismatch: float = weight(0.2)
    info_nce: Form = "auto"
    contrast: Contrast = "softmax"
    offset_near: int = 1
    kl_temperature: float = 1.0
    distill_temperature: float = 2.0
    adjustment: float = 0.0
    stop_gradient: bool = True

    @property
    def taught(self) -> tuple[Head, ...]:
        """The heads that a term with a weight teaches."""
        return tuple(head for head in HEADS if (self.mismatch if head == "mismatch" else self.uni))

    def __post_init__(self) -> None:
        for name in weights():
            if not getattr(self, name) >= 0:
                raise ValueError(f"loss weight {name}={getattr(self, name)} must be 0 or more")
        for name in ("kl_temperature", "distill_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
        if not 0 <= self.offset_near < SYNC_RADIUS:
            raise ValueError(
                f"offset_near={self.offset_near} must be within 0 and {SYNC_RADIUS - 1}, or no "
                "negatives are left"
            )


def weights() -> tuple[str, ...]:
    """The names of the terms that have a weight."""
    fields = dataclasses.fields(LossConfig)
    return tuple(field.name for field in fields if field.metadata.get("weight"))


def needs_labels(config: LossConfig) -> tuple[str, ...]:
    """The names of the terms with a weight that a pretraining cannot learn by."""
    fields = dataclasses.fields(config)
    learns = {field.name for field in fields if field.metadata.get("pretrains")}
    return tuple(name for name in weights() if name not in learns and getattr(config, name))
