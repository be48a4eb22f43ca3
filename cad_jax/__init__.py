"""CAD, cross-modal alignment and distillation: is a video of someone talking real or forged?

    import cad_jax

    detector = cad_jax.load()
    verdict = detector.predict("clip.mp4")

The names below are imported when they are first used: importing the package loads no JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad_jax.detector import Detector, load
    from cad_jax.settings.experiment import Experiment

_HOMES = {
    "Detector": "cad_jax.detector",
    "Experiment": "cad_jax.settings.experiment",
    "load": "cad_jax.detector",
}

__all__ = ["Detector", "Experiment", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
