"""From what the detector says of windows to what is said of their file.

Each part is judged by itself: every face's picture, the sound, their match, and all together. Sound
and match are judged where the face speaks that fits the sound best; a listener's lips fit nothing.
A part's score is the larger of two. The mean of its windows finds what is forged all through; it
varies less than one window does, so that the thresholds of windows are on the safe side. The peak
finds what is forged for a moment; it is the score of one window that would be as rare as the
highest of so many (`rarity`).

A file is what its worst part is, so that the rates of the parts add up. Manipulated is a part whose
score 1 % of genuine files of as many parts would reach in any of them, suspicious one that 10 %
would. Picture, sound, match and all together have an equal share of that rate, and the faces share
the picture's, so that a crowd hides no forged voice. Where validation has too few genuine clips to
tell so low a rate, the lowest that it can tell stands for it. What is rarer than validation can
measure is suspicious, never manipulated. Where the median window lies outside of the detector's
domain, nothing is said.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from cad_jax.bundle.operating import Operating
from cad_jax.verdicts.rarity import Rarity, shared
from cad_jax.verdicts.schema import (
    MODALITIES,
    FaceVerdict,
    FileVerdict,
    Modality,
    ModalityVerdict,
    ModelFacts,
    Reason,
    TimeRange,
    Verdict,
)

MANIPULATED, SUSPICIOUS = 0.01, 0.1  # rates at which genuine files may be called so
MIN_FACE_PX = 32  # narrower faces are blown up too far to say anything of

Part = Literal["video", "audio", "sync", "fused"]
Values = Float64[np.ndarray, " n"]
Rows = Bool[np.ndarray, " n"]

HEADS: dict[Part, str] = {
    "video": "p_video", "audio": "p_audio", "sync": "p_mismatch", "fused": "p_fake",
}  # fmt: skip
_TITLES: dict[Part, str] = {
    "video": "the picture",
    "audio": "the sound",
    "sync": "the match of lips and speech",
    "fused": "the clip as a whole",
}
_RANK: tuple[Verdict, ...] = ("authentic", "cannot_tell", "suspicious", "manipulated")
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Windows:
    """What the detector said of a file's windows, one entry each; at least one window.

    Attributes:
        start_s, end_s: seconds from the file's first frame or sample on.
        face: the number of the face; -1 for sound alone.
        face_px: its width in the file; nan without one.
        scores: p_fake, p_video, p_audio and p_mismatch as they are, not calibrated; nan where a
            modality is missing.
        offset_ms: by how much the sound is late; nan where a modality is missing.
        distance: from the detector's domain, see `bundle.domain.Domain`.
    """

    start_s: Values
    end_s: Values
    face: Int[np.ndarray, " n"]
    face_px: Values
    scores: Mapping[str, Values]
    offset_ms: Values
    distance: Values


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """What is known of a file besides.

    Attributes:
        file, duration_s, sha256: as in `FileVerdict`.
        notes: what the verdict will not cover.
    """

    file: str
    duration_s: float | None
    sha256: str | None
    notes: tuple[Reason, ...] = ()


class _Judged(NamedTuple):
    """A part's verdict, and where it comes from."""

    verdict: Verdict
    score: float | None
    reasons: tuple[Reason, ...]
    ranges: tuple[TimeRange, ...] = ()


def decide(
    windows: Windows,
    operating: Operating,
    facts: FileFacts,
    model: ModelFacts,
    warnings: Sequence[str] = (),
) -> FileVerdict:
    """A file's verdict from those of its windows.

    Args:
        windows: in any order.
        operating: how the detector's scores are to be read.
        facts, model, warnings: as they are.
    """
    talking = speaking(windows)
    rows: dict[Part, Rows] = {
        "audio": talking | (windows.face < 0),
        "sync": talking,
        "fused": talking,
    }
    judged_faces = np.unique(windows.face[(windows.face >= 0) & (windows.face_px >= MIN_FACE_PX)])
    whole = [part for part, of in rows.items() if _says(windows, part, of).any()]
    tests = len(whole) + bool(len(judged_faces))
    judge = functools.partial(_judge, windows, operating)
    judge_face = functools.partial(judge, tests * len(judged_faces))
    faces = dict(_faces(windows, talking, judge_face))
    large = [judged for face, judged in faces.items() if face.face_px >= MIN_FACE_PX]
    found = {"video": max(large, key=_badness, default=None)}
    found |= {part: judge(tests, part, of) for part, of in rows.items()}
    parts = {name: judged for name, judged in found.items() if judged is not None}
    notes = facts.notes + _small(list(faces))
    verdict, score, reasons, ranges = _worst(parts, large)
    modalities: dict[Modality, ModalityVerdict] = {
        name: ModalityVerdict(*parts[name][:3]) for name in MODALITIES if name in parts
    }
    offsets = windows.offset_ms[talking & np.isfinite(windows.offset_ms)]
    return FileVerdict(
        file=facts.file,
        verdict=verdict,
        score=score,
        reasons=(*reasons, *notes),
        modalities=modalities,
        faces=tuple(faces),
        ranges=ranges,
        sync_offset_ms=float(np.median(offsets)) if offsets.size else None,
        duration_s=facts.duration_s,
        sha256=facts.sha256,
        model=model,
        warnings=tuple(warnings),
    )


def undecided(
    facts: FileFacts,
    verdict: Literal["cannot_tell", "not_applicable"],
    model: ModelFacts,
    warnings: Sequence[str] = (),
) -> FileVerdict:
    """The verdict on a file of which no window could be judged; its notes say why."""
    return FileVerdict(
        facts.file, verdict, None, facts.notes, {}, (), (), None, facts.duration_s, facts.sha256,
        model, tuple(warnings),
    )  # fmt: skip


def speaking(windows: Windows) -> Rows:
    """Which windows of faces are the speaker's: no other face's at that time fits the sound better.

    Windows meet where more than half of one lies in the other. Without sound nobody speaks.
    """
    misfit = windows.scores["p_mismatch"]
    order = np.argsort(windows.start_s, kind="stable")
    starts = windows.start_s[order]
    half = (windows.end_s - windows.start_s) / 2
    found = np.isfinite(misfit)
    for row in np.flatnonzero(found):
        at = windows.start_s[row]
        low = np.searchsorted(starts, at - half[row], side="right")
        high = np.searchsorted(starts, at + half[row], side="left")
        others = order[low:high]
        others = others[windows.face[others] != windows.face[row]]
        found[row] = not np.any(misfit[others] < misfit[row])
    return found


def _faces(windows: Windows, talking: Rows, judge) -> Iterator[tuple[FaceVerdict, _Judged]]:
    """Each face and its judgement, in order of appearance."""
    for track in np.unique(windows.face[windows.face >= 0]).tolist():
        rows = windows.face == track
        width = int(windows.face_px[rows][0])
        small = _Judged("cannot_tell", None, (_too_small(width),))
        judged = small if width < MIN_FACE_PX else judge("video", rows, face=track)
        heard = np.isfinite(windows.scores["p_mismatch"][rows])
        yield (
            FaceVerdict(
                track=track,
                start_s=_rounded(windows.start_s[rows].min()),
                end_s=_rounded(windows.end_s[rows].max()),
                face_px=width,
                speaking=_rounded(talking[rows][heard].mean()) if heard.any() else None,
                verdict=judged.verdict,
                score=judged.score,
                reasons=judged.reasons,
            ),
            judged,
        )


def _says(windows: Windows, part: Part, rows: Rows) -> Rows:
    """Those of the windows that say something of a part."""
    return rows & np.isfinite(windows.scores[HEADS[part]])


def _judge(
    windows: Windows,
    operating: Operating,
    tests: int,
    part: Part,
    rows: Rows,
    face: int | None = None,
) -> _Judged | None:
    """What some windows say of a part, one of so many tests; None where they say nothing."""
    head, rows = HEADS[part], _says(windows, part, rows)
    if not rows.any():
        return None
    title = _TITLES[part] + (f" of face {face}" if face is not None else "")
    if not operating.thresholds.get(head):
        message = f"validation had too few clips to say what {title} scoring so means"
        return _Judged("cannot_tell", None, (Reason("not_calibrated", message),))
    distance = float(np.median(windows.distance[rows]))
    if not distance <= 1:
        message = f"it is unlike what the detector knows ({distance:.2f} times as far as that goes)"
        return _Judged("cannot_tell", None, (Reason("out_of_domain", message),))
    values = operating.calibrated(head, windows.scores[head][rows])
    spans = np.stack([windows.start_s[rows], windows.end_s[rows]], axis=1)
    rarity = Rarity(operating.thresholds[head], operating.tails[head])
    return _judged(part, title, tests, values, spans, rarity)


def _judged(
    part: Part,
    title: str,
    tests: int,
    values: Values,
    spans: Float64[np.ndarray, "n 2"],
    rarity: Rarity,
) -> _Judged:
    count = len(values)
    rates = np.maximum([MANIPULATED, SUSPICIOUS], rarity.least)
    strict, lenient = rarity.score(shared(rates, tests)).tolist()
    mean, peaks = float(values.mean()), rarity.among(values, count)
    score = max(mean, float(peaks.max()))
    if score < lenient:
        return _Judged("authentic", _rounded(score), ())
    windows_of = 1 if mean >= strict else count
    sure = score >= strict and rarity.measured(float(shared(rates[:1], tests * windows_of)[0]))
    verdict: Verdict = "manipulated" if sure else "suspicious"
    through = mean >= lenient
    where = "all through" if through else f"in one of {count} windows"
    least, share = (strict, rates[0]) if sure else (lenient, rates[1])
    said = f"{title} scores {score:.2f} {where}; {share:.0%} of genuine files reach {least:.2f}"
    reasons = [Reason(f"{part}_{verdict}", said)]
    if not sure and score >= strict:
        rarer = "that is rarer than validation could measure"
        reasons.append(Reason("beyond_validation", rarer))
    marked = values >= lenient if through else peaks >= lenient
    ranges = tuple(merged(part, spans[marked], values[marked]))
    return _Judged(verdict, _rounded(score), tuple(reasons), ranges)


def merged(part: Part, spans: Float64[np.ndarray, "n 2"], scores: Values) -> Iterator[TimeRange]:
    """Ranges of time without those that meet; each with its highest score."""
    order = np.argsort(spans[:, 0], kind="stable")
    held: list[tuple[float, float, float]] = []
    for (start, end), score in zip(spans[order].tolist(), scores[order].tolist(), strict=True):
        if held and start <= held[-1][1]:
            first, last, top = held.pop()
            start, end, score = first, max(last, end), max(top, score)
        held.append((start, end, score))
    for start, end, score in held:
        yield TimeRange(_rounded(start), _rounded(end), _rounded(score), part)


def _worst(parts: Mapping[str, _Judged], faces: Sequence[_Judged]) -> _Judged:
    """The file's verdict, its highest score, every part's reasons, and where they are."""
    everything = [*faces, *(judged for name, judged in parts.items() if name != "video")]
    ranks = [_RANK.index(judged.verdict) for judged in everything]
    verdict = _RANK[max(ranks)] if ranks else "cannot_tell"
    scores = [judged.score for judged in everything if judged.score is not None]
    reasons = tuple(dict.fromkeys(reason for judged in everything for reason in judged.reasons))
    ranges = sorted(
        (found for judged in everything for found in judged.ranges),
        key=lambda found: (found.start_s, found.modality),
    )
    told = bool(scores) and verdict != "cannot_tell"
    return _Judged(verdict, max(scores) if told else None, reasons, tuple(ranges))


def _badness(judged: _Judged) -> tuple[int, float]:
    return _RANK.index(judged.verdict), judged.score or 0.0


def _small(faces: Sequence[FaceVerdict]) -> tuple[Reason, ...]:
    """What is said of faces that are too small, once for all of them."""
    widths = [face.face_px for face in faces if face.face_px < MIN_FACE_PX]
    return (_too_small(max(widths)),) if widths else ()


def _too_small(width: int) -> Reason:
    return Reason("face_too_small", f"a face is {width} pixels wide; {MIN_FACE_PX} are needed")


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)
