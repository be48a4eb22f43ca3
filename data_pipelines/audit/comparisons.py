"""Which clips are compared with which: any forgery, and each kind against its genuine counterparts.

Owns what a probe must know of a clip besides its numbers.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from data_pipelines.records.clip import FAKE, ClipRecord

ANY = "any forgery"


@dataclasses.dataclass(frozen=True)
class ClipFacts:
    """A clip without its media.

    Attributes:
        label: 1 forged, 0 genuine.
        group: who is in it, else its original, else its file; cross-validation never splits it.
        kind: name of the manipulation, or the methods of picture and sound.
        pair: what the clips made from one original share; empty where that is unknown.
    """

    label: int
    group: str
    kind: str
    pair: str


def facts_of(clip: ClipRecord) -> ClipFacts:
    """The facts of a clip whose label is known."""
    methods = f"{clip.method_video or '-'}/{clip.method_audio or '-'}"
    return ClipFacts(
        label=clip.label,
        group=(*clip.source_ids, clip.pair_id or clip.clip_id.rpartition("#")[0])[0],
        kind=clip.provenance.get("kind", methods),
        pair=clip.pair_id,
    )


def comparisons(facts: Sequence[ClipFacts]) -> dict[str, Bool[np.ndarray, " n"]]:
    """`any forgery` and each kind -> the clips, forged and genuine, that are compared for it.

    A kind is compared with the genuine clips of the same originals where each of its clips has
    one: what its originals happen to look like then counts on both sides. Else with all genuine.
    """
    forged = np.array([fact.label == FAKE for fact in facts], bool)
    kinds = np.array([fact.kind for fact in facts])
    pairs = np.array([fact.pair for fact in facts])
    groups = {ANY: np.ones(len(facts), bool)}
    for kind in np.unique(kinds[forged]).tolist():
        own = forged & (kinds == kind)
        twins = ~forged & np.isin(pairs, pairs[own]) & (pairs != "")
        complete = np.isin(pairs[own], pairs[twins]).all()
        groups[kind] = own | (twins if complete else ~forged)
    return groups
