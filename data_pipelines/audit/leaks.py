"""What a test knows from training: people, originals, files, and clips that are on both sides.

Owns what counts as a leak and its counts; how a clip is recognised is in `fingerprints` and `near`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from data_pipelines.audit.fingerprints import Fingerprint, fingerprint_of
from data_pipelines.audit.near import near_pairs
from data_pipelines.records.clip import ClipRecord

Entry = dict[str, Any]
Prints = Mapping[str, Sequence[Fingerprint]]  # of the clips of each split

EXAMPLES = 5
# Measured on real clips, cut, scaled, and encoded again: four of five are found (pictures), three
# of four (sound, with noise besides), and no clips of different people are taken for one.
_PICTURE = {"share": 0.5, "same": 0.95}
_SOUND = {"share": 0.25, "same": 0.9}

_EXACT: dict[str, Callable[[Fingerprint], tuple[str, ...]]] = {
    "identities": lambda clip: clip.source_ids,
    "first identities": lambda clip: clip.source_ids[:1],
    "originals": lambda clip: (clip.pair_id,),
    "source files": lambda clip: (clip.file,),
    "same pictures": lambda clip: (clip.picture,),
    "same sound": lambda clip: (clip.sound,),
}


def fingerprinted(clips: Iterable[ClipRecord], prints: list[Fingerprint]) -> Iterator[ClipRecord]:
    """Passes clips on and appends their fingerprints: one reading serves two reports."""
    for clip in clips:
        prints.append(fingerprint_of(clip))
        yield clip


def leak_table(prints: Prints) -> list[Entry]:
    """What each two splits share, by kind.

    Returns:
        Entries `kind`, `splits` (two names), `shared` (names, files, or pairs of clips), `clips`
        (of each of the two that are concerned) and some `examples`.
    """
    near = {
        "nearly the same pictures": _near(prints, "thumbs", **_PICTURE),
        "nearly the same sound": _near(prints, "onsets", **_SOUND),
    }
    entries = []
    for one, two in itertools.combinations(prints, 2):
        for kind, names in _EXACT.items():
            entries.append(_exact(kind, names, {one: prints[one], two: prints[two]}))
        for kind, pairs in near.items():
            found = [pair for splits, *pair in pairs if splits == (one, two)]
            entries.append(
                {
                    "kind": kind,
                    "splits": [one, two],
                    "shared": len(found),
                    "clips": [len({pair[side] for pair in found}) for side in (0, 1)],
                    "examples": [" and ".join(pair) for pair in found[:EXAMPLES]],
                }
            )
    return entries


def leak_lines(entries: Sequence[Entry]) -> list[str]:
    """The table for people; what is not shared at all is not listed."""
    lines = [
        f"{' and '.join(entry['splits']):16} {entry['kind']:24} {entry['shared']:6} shared, in "
        f"{entry['clips'][0]} and {entry['clips'][1]} clips"
        for entry in entries
        if entry["shared"]
    ]
    return ["Shared by splits", *(lines or ["nothing: no person, original, file or clip"])]


def _exact(kind: str, names: Callable[[Fingerprint], tuple[str, ...]], prints: Prints) -> Entry:
    seen = [{name for clip in clips for name in names(clip) if name} for clips in prints.values()]
    shared = seen[0] & seen[1]
    return {
        "kind": kind,
        "splits": list(prints),
        "shared": len(shared),
        "clips": [
            sum(not shared.isdisjoint(names(clip)) for clip in clips) for clips in prints.values()
        ],
        "examples": sorted(shared)[:EXAMPLES],
    }


def _near(
    prints: Prints, vectors: str, share: float, same: float
) -> list[tuple[tuple[str, str], str, str]]:
    """(Their splits, one clip, the other) of all clips that are nearly the same."""
    clips = [(split, clip) for split, own in prints.items() for clip in own]
    found = near_pairs(
        [getattr(clip, vectors) for _, clip in clips], [s for s, _ in clips], share, same
    )
    return [
        ((clips[one][0], clips[two][0]), clips[one][1].clip_id, clips[two][1].clip_id)
        for one, two in found
    ]
