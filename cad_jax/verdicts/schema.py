"""A file's verdict as people and machines read it; `verdict.schema.json` says the same in JSON.

Owns the fields and their units. Knows nothing of how a verdict comes about (see `decide`).
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, get_args

from cad_jax.settings.structure import unstructure

# `suspicious` is between the two; `not_applicable`: nothing in the file that a detector of talking
# people could judge.
Verdict = Literal["authentic", "manipulated", "suspicious", "cannot_tell", "not_applicable"]
Modality = Literal["video", "audio", "sync"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is, or what it does not cover.

    Attributes:
        code: for machines.
        message: for people.
    """

    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class TimeRange:
    """Where something was found.

    Attributes:
        start_s, end_s: seconds from the file's first frame or sample on.
        score: the highest of its windows, in [0, 1].
        modality: what was judged: `fused` is picture, sound and their match together.
    """

    start_s: float
    end_s: float
    score: float
    modality: Literal["video", "audio", "sync", "fused"]


@dataclasses.dataclass(frozen=True)
class ModalityVerdict:
    """What is said of the picture, of the sound, or of whether they belong together.

    Attributes:
        verdict: as of the file.
        score: in [0, 1]; None where it cannot be told.
        reasons: why.
    """

    verdict: Verdict
    score: float | None
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True)
class FaceVerdict:
    """What is said of one face, from where it is first seen to where it is lost or cut.

    Attributes:
        track: its number in the file, in order of appearance.
        start_s, end_s: seconds, as in `TimeRange`.
        face_px: its width in pixels of the file.
        speaking: the share of its windows in which it is the face that fits the sound best; None
            without sound.
        verdict, score, reasons: of its picture, as in `ModalityVerdict`.
    """

    track: int
    start_s: float
    end_s: float
    face_px: int
    speaking: float | None
    verdict: Verdict
    score: float | None
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """Which detector spoke.

    Attributes:
        name: of its bundle or run.
        sha256: of its parameters and settings.
    """

    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class FileVerdict:
    """What is said of a file.

    Attributes:
        file: its path, printable.
        verdict: the worst of its parts.
        score: in [0, 1], the highest of its parts; None where it cannot be told.
        reasons: why, and what is not covered.
        modalities: of what is there; what is missing is left out, and among the reasons.
        faces: of each face, in order of appearance.
        ranges: where, in order of time.
        sync_offset_ms: by how much the sound is late against the lips; None where there are not
            both.
        duration_s: of the file; None where nothing of it can be read.
        sha256: of the file's bytes; None where they cannot be read.
        model: the detector.
        warnings: what holds for every verdict of this detector.
    """

    file: str
    verdict: Verdict
    score: float | None
    reasons: tuple[Reason, ...]
    modalities: Mapping[Modality, ModalityVerdict]
    faces: tuple[FaceVerdict, ...]
    ranges: tuple[TimeRange, ...]
    sync_offset_ms: float | None
    duration_s: float | None
    sha256: str | None
    model: ModelFacts
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, as `verdict_schema` describes it."""
        return unstructure(self)


def verdict_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `FileVerdict.to_json`."""
    path = pathlib.Path(__file__).with_name("verdict.schema.json")
    return json.loads(path.read_bytes())
