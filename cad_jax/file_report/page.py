"""The report on one file as one self-contained HTML page.

Owns what it says and in which order; `plots` draws. Every text that comes from the file is plain
and escaped where it is written. Knows nothing of how a verdict comes about.
"""

import math
import pathlib
from collections.abc import Iterator, Sequence

from cad_jax.file_report.evidence import Evidence, Moment, SeenFrame, suspicion
from cad_jax.file_report.plots import HEAD_NAMES, sound, sync, timeline
from cad_jax.verdicts.schema import FileVerdict, Reason
from data_pipelines.documents.blocks import (
    Block,
    Commands,
    Gallery,
    Heading,
    Panel,
    Panels,
    Picture,
    Table,
    Text,
)
from data_pipelines.documents.html_page import html_page
from data_pipelines.media.provenance import Facts, Provenance
from data_pipelines.records.atomic import atomic_writer

KEY_FRAMES = 7  # of each face
MOST_FACES = 20  # that are shown, those seen longest

VERDICTS = {
    "authentic": "No sign of forgery was found",
    "manipulated": "Manipulated",
    "suspicious": "Suspicious",
    "cannot_tell": "It cannot be told",
    "not_applicable": "Nothing here that this detector could judge",
}
MODALITIES = {
    "video": "picture",
    "audio": "sound",
    "sync": "lips against sound",
    "fused": "all together",
}
NOT_CHECKED = (
    "Ways of forging that the detector has not learnt; whole scenes, objects, bodies and text; who "
    "is seen or heard; whether what is said is true; whether the file was cut, or shown out of its "
    "context."
)
ABSENT_PROVES_NOTHING = (
    "Content Credentials are a signed history that some cameras and programs attach to a file. An "
    "absent one proves nothing: most files have none, and copying or uploading removes it."
)


def write_page(verdict: FileVerdict, evidence: Evidence, command: str, path: pathlib.Path) -> None:
    """Writes the report on one file, whole or not at all; see `page_of`.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_writer(path) as write:
        write(page_of(verdict, evidence, command))


def page_of(verdict: FileVerdict, evidence: Evidence, command: str) -> bytes:
    """The report on one file.

    Args:
        verdict: on it.
        evidence: what is shown beside.
        command: what gives the same verdict again, one line.
    """
    blocks = [
        *_answer(verdict),
        *_over_time(verdict, evidence.moments),
        *_faces(verdict, evidence.moments),
        *_checked(verdict, evidence.moments),
        *_provenance(evidence.provenance),
        *_repeat(verdict, command),
    ]
    page = html_page(f"{VERDICTS[verdict.verdict]}: {pathlib.Path(verdict.file).name}", blocks)
    return page.encode(errors="backslashreplace")


def _answer(verdict: FileVerdict) -> Iterator[Block]:
    yield Heading(VERDICTS[verdict.verdict], 1)
    yield Text(f"{verdict.file}, score {_score(verdict.score)}", "headline")
    for warning in verdict.warnings:
        yield Text(warning, "warning")
    if verdict.reasons:
        reasons = [[reason.message, reason.code] for reason in verdict.reasons]
        yield Table([["why", "code"], *reasons])
    rows = [
        [MODALITIES[name], VERDICTS[of.verdict], _score(of.score), _said(of.reasons)]
        for name, of in verdict.modalities.items()
    ]
    if rows:
        yield Table([["", "verdict", "score", "why"], *rows])
    found = [
        [f"{_clock(of.start_s)} to {_clock(of.end_s)}", MODALITIES[of.modality], _score(of.score)]
        for of in verdict.ranges
    ]
    if found:
        yield Heading("Where", 2)
        yield Table([["time", "in", "score"], *found])


def _over_time(verdict: FileVerdict, moments: Sequence[Moment]) -> Iterator[Block]:
    if not moments:
        return
    end = max(verdict.duration_s or 0.0, *(moment.end_s for moment in moments))
    yield Heading("Over time")
    beyond = sum(moment.beyond for moment in moments)
    if beyond:
        yield Text(
            f"{beyond} of {len(moments)} windows are unlike everything that the detector knows: "
            "what it says of them means nothing. They are grey.",
            "warning",
        )
    yield timeline(moments, verdict.ranges, end)
    shown = [moment for moment in moments if moment.frames]
    if shown:
        yield Text(
            "Click a time, or step with the arrow keys; the redder, the more suspicious. Below a "
            "face stands the evidence that this very frame is forged."
        )
        strangest = max(range(len(shown)), key=lambda number: _worth_opening(shown[number]))
        yield Panels([_panel(moment) for moment in shown], strangest)
    if any(moment.mel.size for moment in moments):
        yield Heading("Sound")
        yield sound(moments, end)
    if any(moment.sync_curve.size for moment in moments):
        yield Heading("Lips against sound")
        if verdict.sync_offset_ms is not None:
            yield Text(f"Over the whole file the sound is {_late(verdict.sync_offset_ms)}.")
        yield sync(moments, end)


def _worth_opening(moment: Moment) -> tuple[bool, float]:
    return not moment.beyond, suspicion(moment)


def _panel(moment: Moment) -> Panel:
    said = ", ".join(
        f"{HEAD_NAMES[head]} {_score(p)}" for head, p in moment.scores.items() if math.isfinite(p)
    )
    face = "" if moment.face is None else f", face {moment.face}"
    domain = f"; {moment.distance:.2f} of the way to the limit of what the detector knows"
    span = f"{_clock(moment.start_s)} to {_clock(moment.end_s)}{face}"
    blocks = [Text(f"{span}: {said}{domain if math.isfinite(moment.distance) else ''}")]
    shade = math.nan if moment.beyond else suspicion(moment)
    return Panel(_clock(moment.start_s), shade, [*blocks, _strip(moment.frames)])


def _faces(verdict: FileVerdict, moments: Sequence[Moment]) -> Iterator[Block]:
    longest = sorted(verdict.faces, key=lambda face: face.start_s - face.end_s)[:MOST_FACES]
    if not longest:
        return
    yield Heading("Faces")
    if len(verdict.faces) > MOST_FACES:
        yield Text(f"The {MOST_FACES} of {len(verdict.faces)} that are seen longest.")
    for face in sorted(longest, key=lambda face: face.track):
        yield Heading(f"Face {face.track}: {VERDICTS[face.verdict]}", 3)
        span = f"{_clock(face.start_s)} to {_clock(face.end_s)}, {face.face_px} pixels wide"
        speaking = "" if face.speaking is None else f", speaking {face.speaking:.0%} of the time"
        yield Text(f"{span}{speaking}; score {_score(face.score)}. {_said(face.reasons)}")
        frames = [f for moment in moments if moment.face == face.track for f in moment.frames]
        if frames:
            yield _strip(_key_frames(frames))


def _key_frames(frames: Sequence[SeenFrame]) -> list[SeenFrame]:
    """Of equal parts of the time the most suspicious frame each."""
    ordered = sorted({frame.time_s: frame for frame in frames}.values(), key=lambda f: f.time_s)
    size = math.ceil(len(ordered) / KEY_FRAMES)
    parts = (ordered[start : start + size] for start in range(0, len(ordered), size))
    return [max(part, key=lambda frame: frame.p_video) for part in parts]


def _strip(frames: Sequence[SeenFrame]) -> Gallery:
    return Gallery(
        [Picture(of.jpeg, f"{_clock(of.time_s)}: {_score(of.p_video)}") for of in frames]
    )


def _checked(verdict: FileVerdict, moments: Sequence[Moment]) -> Iterator[Block]:
    yield Heading("What was checked, and what was not")
    seen = [moment for moment in moments if moment.face is not None]
    heard = [moment for moment in moments if moment.mel.size]
    compared = [moment for moment in moments if moment.sync_curve.size]
    beyond = [moment for moment in moments if moment.beyond]
    rows = [
        ["picture: faces, crop by crop", *_amount(seen)],
        ["sound", *_amount(heard)],
        ["lips against sound", *_amount(compared)],
        ["beyond what the detector knows", *_amount(beyond)],
    ]
    yield Table([["", "windows", "seconds"], *rows])
    yield Text(f"Not checked: {NOT_CHECKED}")


def _amount(moments: Sequence[Moment]) -> list[str | int]:
    """How many windows, and how many seconds of the file lie in any of them."""
    covered, end = 0.0, 0.0
    for start, stop in sorted((moment.start_s, moment.end_s) for moment in moments):
        covered += max(stop - max(start, end), 0.0)
        end = max(end, stop)
    return [len(moments), f"{covered:.1f}"]


def _provenance(provenance: Provenance | None) -> Iterator[Block]:
    yield Heading("Where the file comes from")
    if provenance is None:
        yield Text("The file says nothing that could be read.")
        return
    yield Text(
        "As the file says; whoever made it could write anything there. Codecs and tags tell which "
        "program wrote it last, which is rarely the camera: every copy through a chat or a "
        "platform writes them anew."
    )
    yield Table([["file", ""], *map(list, provenance.container)])
    for stream in provenance.streams:
        (_, number), *facts = stream
        yield Table([[f"stream {number}", ""], *map(list, facts)])
    if provenance.tags:
        yield Table([["tag", "text"], *map(list, provenance.tags)])
    yield Heading("Content Credentials", 3)
    yield from _credentials(provenance.credentials, provenance.credentials_checked)


def _credentials(facts: Facts, checked: bool) -> Iterator[Block]:
    if facts:
        yield Table([["credentials", ""], *map(list, facts)])
    elif checked:
        yield Text("Looked for; there are none.")
    else:
        yield Text(
            "Not looked for: the extra cad-jax[c2pa] is not installed, or files of this kind carry "
            "none that it reads."
        )
    yield Text(ABSENT_PROVES_NOTHING)


def _repeat(verdict: FileVerdict, command: str) -> Iterator[Block]:
    yield Heading("How to repeat it")
    yield Commands([command])
    yield Table(
        [
            ["", "sha256"],
            ["file", verdict.sha256 or "not readable"],
            [f"detector {verdict.model.name}", verdict.model.sha256],
        ]
    )


def _said(reasons: Sequence[Reason]) -> str:
    return " ".join(reason.message for reason in reasons)


def _score(score: float | None) -> str:
    return "-" if score is None or math.isnan(score) else f"{score:.2f}"


def _late(offset_ms: float) -> str:
    if not offset_ms:
        return "in time with the lips"
    return f"{abs(offset_ms):.0f} ms {'late' if offset_ms > 0 else 'early'}"


def _clock(seconds: float) -> str:
    """E.g. `1:02.4`."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
