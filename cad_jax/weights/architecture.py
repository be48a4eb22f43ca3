"""Which tower some published weights belong to: from the arrays' shapes, and what files state.

Shapes tell everything but the heads and the activation. Where no file beside the arrays, of Hugging
Face's or open_clip's, states these, they are what OpenAI published: 64 channels a head, and CLIP's
quick GELU.
"""

from cad_jax.settings.structure import ConfigError, structure
from cad_jax.weights.layouts import Layout
from cad_jax.weights.published import PublishedWeights, WeightsError
from cad_jax.weights.tower_kind import TowerKind
from cad_jax.weights.towers import Tower

_HEAD_WIDTH = 64


def infer_architecture(
    published: PublishedWeights, kind: TowerKind, layout: Layout, depth: int
) -> Tower:
    """The tower's configuration.

    Raises:
        WeightsError: shapes and stated settings contradict each other or fit no tower of ours.
    """
    stated = layout.stated(published)
    seen = {"depth": depth} | kind.sizes(published, layout)
    for name, value in seen.items():
        if stated.get(name, value) != value:
            raise WeightsError(
                f"{published.path}: the arrays have {name} {value}, the settings beside them "
                f"say {stated[name]!r}; the files do not belong together"
            )
    settings = {"heads": max(seen["width"] // _HEAD_WIDTH, 1)} | stated | seen
    try:
        return structure(kind.config, settings, "tower")
    except ConfigError as error:
        raise WeightsError(f"{published.path} is no tower of ours: {error}") from None
