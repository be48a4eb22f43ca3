"""The embedded synthetic set: people that training never saw, and manipulations besides.

    python scripts/study.py run --protocol=embedded --output=runs/embedded
    python scripts/study.py run --protocol=embedded:parts --output=runs/parts

Five variants and three seeds on 2 CPU cores; `test` holds other people, `test_unseen` other people
and other manipulations. Comparable with nothing published: the set is this project's own.
"""

from cad_jax.settings.protocol import LATE, PARTS, Protocol

PROTOCOLS = {
    "embedded": Protocol(
        preset="configs/cad.py:size=tiny",
        variants=("full", "no-alignment", "no-distillation", "neither", "naive-fusion", *LATE),
    ),
    "parts": Protocol(
        preset="configs/cad.py:size=tiny",
        variants=("full", *(name for name in PARTS if name != "no-adapters")),  # it has none
    ),
}
