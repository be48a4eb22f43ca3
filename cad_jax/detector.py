"""A detector as a library: says of files whether they are forged, and scores batches.

Owns the way from a file's windows to its verdict: the same preparation, the same cut and the same
compiled step as everything else, one shape for every file. What a verdict is made of stands in
`verdicts.decide`.
"""

import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, overload

import numpy as np
from jax.sharding import Mesh

from cad_jax.bundle import DEFAULT
from cad_jax.bundle.files import LoadedBundle, read_bundle
from cad_jax.bundle.find import find_bundle
from cad_jax.bundle.step import detector_step
from cad_jax.file_report.evidence import Evidence, EvidenceCollector, moments_of
from cad_jax.parallel.mesh import batch_shapes
from cad_jax.run.compiled import KeptStep, keep_compiled
from cad_jax.run.scores import Scores, score_batch
from cad_jax.verdicts.decide import HEADS, FileFacts, Windows, decide, undecided
from cad_jax.verdicts.schema import FileVerdict, ModelFacts, Reason
from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import printable
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.sample import Sample
from data_pipelines.loading.transforms import blank_row, clip_row
from data_pipelines.loading.window import Window
from data_pipelines.media.errors import MediaError
from data_pipelines.media.provenance import Provenance
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.clip import FRAME_RATE, SAMPLE_RATE, ClipRecord
from data_pipelines.records.content import file_sha256

WINDOWS_AT_A_TIME = 8  # of one file; bounds memory, whatever the file's length
OVERLAP = 0.5  # of one window and the next: a forged moment lies well inside one of them
# There is nothing in such a file that could be judged; of the others nobody knows.
_NOT_APPLICABLE = ("empty", "not_media", "no_face")


@dataclasses.dataclass(frozen=True)
class Detector:
    """A bundle's detector with its compiled scoring step.

    Example:
        detector = cad_jax.load()
        verdict = detector.predict("clip.mp4")
        print(verdict["verdict"], verdict["score"])

    Attributes:
        name: what its verdicts call it.
        bundle: parameters, preparation and how scores are to be read.
        step: runs the model.
    """

    name: str
    bundle: LoadedBundle
    step: KeptStep

    @classmethod
    def load(cls, model: str | os.PathLike[str] = DEFAULT, mesh: Mesh | None = None) -> "Detector":
        """The detector of a bundle; what is compiled for it is kept, see `run.compiled`.

        Args:
            model: the name of one that comes with the package, a bundle's folder, or a run's, as
                `find_bundle`.
            mesh: the devices; all by default.

        Raises:
            UserError: no bundle there, or a damaged one.
        """
        keep_compiled()
        bundle = read_bundle(find_bundle(model), mesh)
        return cls(pathlib.Path(model).resolve().name, bundle, detector_step(bundle))

    @overload
    def predict(
        self, paths: str | os.PathLike[str], timeout_s: float | None = None
    ) -> dict[str, Any]: ...
    @overload
    def predict(
        self, paths: Iterable[str | os.PathLike[str]], timeout_s: float | None = None
    ) -> list[dict[str, Any]]: ...

    def predict(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        timeout_s: float | None = None,
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """The verdict on a file, or on each of several, as JSON; never raises for what they hold.

        Args:
            paths: a video, sound or photo, or several.
            timeout_s: as `verdicts`.

        Returns:
            `FileVerdict.to_json()`, for each file.
        """
        one = isinstance(paths, (str, os.PathLike))
        found = [v.to_json() for v in self.verdicts([paths] if one else paths, timeout_s)]
        return found[0] if one else found

    def verdicts(
        self, paths: Iterable[str | os.PathLike[str]], timeout_s: float | None = None
    ) -> Iterator[FileVerdict]:
        """The verdict on one file after the other; memory does not grow with their length.

        The whole file is judged, every face of it, in windows of the length that the model was
        trained on, each half in the next.

        Args:
            paths: videos, sounds and photos.
            timeout_s: seconds that decoding one may take, in a process of its own that a hostile
                file may hang or kill; the calling script then needs `if __name__ == "__main__"`.
                None decodes in this process.
        """
        return (verdict for verdict, _ in self._judged(paths, timeout_s, lambda: None))

    def reports(
        self, paths: Iterable[str | os.PathLike[str]], timeout_s: float | None = None
    ) -> Iterator[tuple[FileVerdict, Evidence]]:
        """As `verdicts`, and with each what a report shows beside it.

        Pictures of a few windows are kept, sound and scores of all: 10 kB a second of the file.
        """
        files = [pathlib.Path(path) for path in paths]
        judged = self._judged(files, timeout_s, EvidenceCollector)
        for said, (verdict, seen) in zip(_provenance(files, timeout_s), judged, strict=True):
            assert seen is not None
            yield verdict, Evidence(seen.moments, next(said, None))

    def scores(self, batch: ClipBatch) -> Scores:
        """Scores of a batch of prepared clips, see `run.judging.described_scores`; no padding rows.

        Args:
            batch: as `data_pipelines.loading` makes it, of a size that the devices divide.
        """
        return score_batch(self.step, self.bundle.params, batch, self.bundle.mesh)

    def _judged(
        self,
        paths: Iterable[str | os.PathLike[str]],
        timeout_s: float | None,
        collector: Callable[[], EvidenceCollector | None],
    ) -> Iterator[tuple[FileVerdict, EvidenceCollector | None]]:
        seconds = self.bundle.config.data.clip.seconds
        stride = max(round(seconds * (1 - OVERLAP) * FRAME_RATE), 1) / FRAME_RATE
        settings = dataclasses.replace(
            self.bundle.settings, window_s=seconds, stride_s=stride, every_face=True
        )
        sources = [
            ClipSource(path=path, key=printable(path.name), dataset="file")
            for path in map(pathlib.Path, paths)
        ]
        for source, clips in zip(sources, _clips(sources, settings, timeout_s), strict=True):
            self._prepare()  # a program is fetched while the first file is decoded beside it
            evidence = collector()
            yield self._verdict(source.path, clips, evidence), evidence

    @property
    def _rows(self) -> int:
        """Of every batch, whatever a file's length."""
        return math.lcm(WINDOWS_AT_A_TIME, self.bundle.mesh.size)

    def _prepare(self) -> None:
        row, mesh = blank_row(self.bundle.config.data.clip, -1), self.bundle.mesh
        self.step.compiled(self.bundle.params, batch_shapes(row, self._rows, mesh))

    def _verdict(
        self, path: pathlib.Path, clips: Iterator[ClipRecord], evidence: EvidenceCollector | None
    ) -> FileVerdict:
        model = ModelFacts(self.name, self.bundle.model_hash)
        warnings = (self.bundle.notice,)
        parts: list[Windows] = []
        facts: Mapping[str, str] = {}
        try:
            while chunk := list(itertools.islice(clips, WINDOWS_AT_A_TIME)):
                facts = facts or chunk[0].provenance
                parts.append(self._judge(chunk, evidence))
        except MediaError as error:
            note = Reason(error.reason, error.detail)
            found = FileFacts(printable(str(path)), None, _sha256(path), (note,))
            verdict = "not_applicable" if error.reason in _NOT_APPLICABLE else "cannot_tell"
            return undecided(found, verdict, model, warnings)
        windows = _joined(parts)
        known = _facts(path, windows, facts)
        return decide(windows, self.bundle.operating, known, model, warnings)

    def _judge(self, clips: list[ClipRecord], evidence: EvidenceCollector | None) -> Windows:
        """What the detector says of at most `WINDOWS_AT_A_TIME` records, each one window."""
        spec = self.bundle.config.data.clip
        rows = [clip_row(Sample(0, clip), spec, Window(0), -1) for clip in clips]
        padded = rows + [blank_row(spec, -1)] * (self._rows - len(rows))
        batch = {key: np.stack([row[key] for row in padded]) for key in rows[0]}
        scores = self.scores(batch)  # type: ignore[arg-type]
        windows = self._windows(clips, scores)
        if evidence is not None:
            for moment in moments_of(rows, scores, windows, self.bundle.operating):
                evidence.add(moment)
        return windows

    def _windows(self, clips: list[ClipRecord], scores: Scores) -> Windows:
        faces = [clip.provenance if clip.has_video else {} for clip in clips]
        starts = np.array([clip.start_ms / 1000 for clip in clips])
        return Windows(
            start_s=starts,
            end_s=starts + [_seconds(clip) for clip in clips],
            face=np.array([int(face.get("face", -1)) for face in faces]),
            face_px=np.array([float(face.get("face_px", math.nan)) for face in faces]),
            scores={head: scores[head].astype(np.float64) for head in HEADS.values()},
            offset_ms=scores["best_offset_ms"].astype(np.float64),
            distance=self.bundle.domain.distance(scores["features"]),
        )


def load(model: str | os.PathLike[str] = DEFAULT) -> Detector:
    """The detector of a bundle, as `Detector.load`."""
    return Detector.load(model)


def _clips(
    sources: list[ClipSource], settings: PrepareSettings, timeout_s: float | None
) -> Iterator[Iterator[ClipRecord]]:
    """Each file's windows; reading them raises `MediaError` where there are none."""
    # Here, as they load decoders and face models.
    from data_pipelines.media.clips import iterate_clips
    from data_pipelines.preparation.guarded import guarded_clips

    if timeout_s is None:
        yield from (iterate_clips(source, settings) for source in sources)
    else:
        yield from guarded_clips(sources, settings, timeout_s)


def _provenance(
    paths: list[pathlib.Path], timeout_s: float | None
) -> Iterator[Iterator[Provenance]]:
    """What each file says of itself; nothing where it cannot be read."""
    from data_pipelines.preparation.guarded import guarded_provenance, provenance  # as above

    if timeout_s is None:
        yield from map(provenance, paths)
    else:
        yield from guarded_provenance(paths, timeout_s)


def _facts(path: pathlib.Path, windows: Windows, facts: Mapping[str, str]) -> FileFacts:
    """What the file declares, and what of it the windows do not show."""
    return FileFacts(
        file=printable(str(path)),
        duration_s=float(facts["duration_s"]) or round(float(windows.end_s.max()), 3),
        sha256=facts["sha256"],
        notes=tuple(_notes(windows, facts)),
    )


def _notes(windows: Windows, facts: Mapping[str, str]) -> Iterator[Reason]:
    if not facts["video_codec"]:
        yield Reason("no_video", "the file has no picture; nothing is said of one")
    if unseen := facts.get("unseen"):
        code, _, detail = unseen.partition(": ")
        yield Reason(code, f"nothing is said of the picture: {detail}")
    if "photo" in facts:
        yield Reason("photo", "a single picture; nothing is said of movement")
    if not np.isfinite(windows.scores["p_audio"]).any():
        missing = "none of its sound can be decoded" if facts["audio_codec"] else "it has no sound"
        yield Reason("no_audio", f"{missing}; nothing is said of one")
    if facts["truncated"]:
        yield Reason("truncated", f"the file is cut off: {facts['truncated']}")


def _joined(parts: list[Windows]) -> Windows:
    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("start_s", "end_s", "face", "face_px", "offset_ms", "distance")
    scores = {
        head: np.concatenate([part.scores[head] for part in parts]) for head in HEADS.values()
    }
    return Windows(**{name: join(name) for name in names}, scores=scores)


def _seconds(clip: ClipRecord) -> float:
    heard = clip.audio_offset_ms / 1000 + clip.audio.size / SAMPLE_RATE
    return len(clip.frames) / FRAME_RATE or heard


def _sha256(path: pathlib.Path) -> str | None:
    try:
        return file_sha256(path) if path.is_file() else None
    except OSError:
        return None
