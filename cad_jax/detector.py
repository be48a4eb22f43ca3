"""A trained detector, loaded from a run: judges files and scores batches.

Owns the verdict on one file, which goes through the same preparation, the same cut and the same
compiled step as everything else.
"""

import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, overload

import numpy as np
from jax.sharding import Mesh

from cad_jax.run.checkpoint import CheckpointError
from cad_jax.run.placement import LoadedRun, load_run
from cad_jax.run.preparation import run_preparation
from cad_jax.run.scoring import Scorer, Scores, make_scorer
from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.files import printable
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.source import Sample
from data_pipelines.loading.transforms import ClipRow, blank_row, clip_row
from data_pipelines.loading.window import centre_window
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.records.clip import ClipRecord

Verdict = dict[str, Any]

WINDOWS_AT_A_TIME = 8  # of one file; bounds memory, whatever the file's length
VERDICTS = ("p_fake", "p_video", "p_audio", "p_mismatch")


@dataclasses.dataclass(frozen=True)
class Detector:
    """A run's detector with its compiled scoring step.

    Example:
        detector = cad_jax.load("runs/tiny")
        verdict = detector.predict("clip.mp4")
        print(verdict["answer"], verdict.get("p_fake"))

    Attributes:
        run: experiment, parameters and checkpoint.
        settings: how its training clips were prepared.
        scorer: runs the model.
    """

    run: LoadedRun
    settings: PrepareSettings
    scorer: Scorer

    @classmethod
    def load(cls, workdir: str | pathlib.Path, mesh: Mesh | None = None) -> "Detector":
        """The detector of a run; arguments and errors as `load_run`.

        Raises:
            CheckpointError: the run is a pretraining, which knows nothing of forgeries.
        """
        run = load_run(workdir, mesh)
        if run.config.stage == "pretrain":
            raise CheckpointError(
                f"{workdir} is a pretraining, which knows nothing of forgeries: train a detector "
                f"from it, --config.init.run={workdir}"
            )
        settings = run_preparation(pathlib.Path(workdir))
        return cls(run, settings, make_scorer(run.config, run.mesh))

    @overload
    def predict(self, paths: str | os.PathLike[str], timeout_s: float | None = None) -> Verdict: ...
    @overload
    def predict(
        self, paths: Iterable[str | os.PathLike[str]], timeout_s: float | None = None
    ) -> list[Verdict]: ...

    def predict(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        timeout_s: float | None = None,
    ) -> Verdict | list[Verdict]:
        """What the detector says of a file, or of each of several; never raises for what they hold.

        The whole file is judged, in consecutive windows of the length the model was trained on.
        A file's probability is the mean over its windows, its offset their median.

        Args:
            paths: a video or sound file, or several.
            timeout_s: as `verdicts`.

        Returns:
            JSON-ready, for each file. `answer` is `yes`, with p_fake, p_video, p_audio, p_mismatch
            and best_offset_ms (null where a modality is missing) and `windows`: the same for each
            part, with its start and a timeline. Or `answer` is `no`, with `reason` and `detail`.
        """
        one = isinstance(paths, (str, os.PathLike))
        verdicts = list(self.verdicts([paths] if one else paths, timeout_s))
        return verdicts[0] if one else verdicts

    def verdicts(
        self, paths: Iterable[str | os.PathLike[str]], timeout_s: float | None = None
    ) -> Iterator[Verdict]:
        """As `predict`, one file after the other.

        Args:
            paths: video or sound files.
            timeout_s: seconds that decoding one may take, in a process of its own that a hostile
                file may hang or kill; the calling script then needs `if __name__ == "__main__"`.
                None decodes in this process.
        """
        seconds = self.run.config.data.clip.seconds
        settings = dataclasses.replace(self.settings, window_s=seconds, stride_s=seconds)
        sources = [
            ClipSource(path=path, key=printable(path.name), dataset="file")
            for path in map(pathlib.Path, paths)
        ]
        for source, clips in zip(sources, _clips(sources, settings, timeout_s), strict=True):
            yield {"file": str(source.path)} | self._verdict(clips)

    def scores(self, batch: ClipBatch) -> Scores:
        """Scores of a batch of prepared clips, see `run.scoring.clip_scores`; no padding rows.

        Args:
            batch: as `data_pipelines.loading` makes it, of a size that the devices divide.
        """
        return self.scorer.batch(self.run.params, batch)

    def _verdict(self, clips: Iterator[ClipRecord]) -> Verdict:
        windows: list[Verdict] = []
        try:
            while chunk := list(itertools.islice(clips, WINDOWS_AT_A_TIME)):
                windows += self._judge(chunk)
        except MediaError as error:
            return {"answer": "no", "reason": error.reason, "detail": error.detail}
        return {"answer": "yes", **_combine(windows), "windows": windows}

    def _judge(self, clips: list[ClipRecord]) -> list[Verdict]:
        spec = self.run.config.data.clip
        rows = [clip_row(Sample(0, clip), spec, centre_window(clip, spec), -1) for clip in clips]
        scores = self.scores(self._stack(rows))
        return [
            _window(scores, index, clip, row["frame_times"])
            for index, (clip, row) in enumerate(zip(clips, rows, strict=True))
        ]

    def _stack(self, rows: list[ClipRow]) -> ClipBatch:
        """A batch of fixed size that the mesh divides, padded with blank rows."""
        size = math.lcm(WINDOWS_AT_A_TIME, self.scorer.mesh.size)
        padding = [blank_row(self.run.config.data.clip, -1)] * (size - len(rows))
        return {key: np.stack([row[key] for row in rows + padding]) for key in rows[0]}  # type: ignore[return-value]


def load(workdir: str | os.PathLike[str]) -> Detector:
    """The detector of a run.

    Raises:
        UserError: no run there, or what it depends on is gone or changed.
    """
    return Detector.load(pathlib.Path(workdir))


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


def _window(scores: Scores, index: int, clip: ClipRecord, times: np.ndarray) -> Verdict:
    start = clip.start_ms / 1000
    timeline = zip(
        times.tolist(),
        scores["timeline_video"][index],
        scores["timeline_audio"][index],
        strict=True,
    )
    return {
        "start_s": round(start, 3),
        **{name: _number(scores[name][index]) for name in (*VERDICTS, "best_offset_ms")},
        "sync_curve": [_number(value) for value in scores["sync_curve"][index]],
        "timeline": [
            {"time_s": round(start + time, 3), "p_video": _number(video), "p_audio": _number(audio)}
            for time, video, audio in timeline
        ],
    }


def _combine(windows: list[Verdict]) -> Verdict:
    def known(name: str) -> list[float]:
        return [window[name] for window in windows if window[name] is not None]

    combined: Verdict = {
        name: round(float(np.mean(known(name))), 6) if known(name) else None for name in VERDICTS
    }
    offsets = known("best_offset_ms")
    return combined | {"best_offset_ms": float(np.median(offsets)) if offsets else None}


def _number(value: np.floating) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
