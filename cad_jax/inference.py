"""A trained detector, loaded from a run: scores batches, splits and single files.

Owns loading and the verdict on one file, which goes through the same preparation, the same cut and
the same compiled step as everything else.
"""

import dataclasses
import itertools
import json
import math
import pathlib
from typing import Any

import numpy as np
from jax.sharding import Mesh

from cad_jax.checkpoint import FOLDER
from cad_jax.config import structure
from cad_jax.evaluation.scoring import Scorer, Scores
from cad_jax.experiment import ExperimentConfig
from cad_jax.models.functional import Params
from cad_jax.training.learner import load_run, make_scorer
from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.loading.batch import ClipBatch
from data_pipelines.loading.source import Sample
from data_pipelines.loading.transforms import ClipRow, blank_row, clip_row
from data_pipelines.loading.window import centre_window
from data_pipelines.media.clips import iterate_clips
from data_pipelines.media.errors import MediaError
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.preparation.spool import FINGERPRINT_FILE
from data_pipelines.records.clip import ClipRecord

Verdict = dict[str, Any]

WINDOWS_AT_A_TIME = 8  # of one file; bounds memory, whatever the file's length
VERDICTS = ("p_fake", "p_video", "p_audio", "p_mismatch")


@dataclasses.dataclass(frozen=True)
class Detector:
    """A model with its parameters and its compiled scoring step.

    Attributes:
        config: the experiment it was trained as.
        settings: how its training clips were prepared.
        params: all parameters by name.
        step: the training step they are from.
        checkpoint: its folder.
        scorer: runs the model.
    """

    config: ExperimentConfig
    settings: PrepareSettings
    params: Params
    step: int
    checkpoint: pathlib.Path
    scorer: Scorer

    @classmethod
    def load(cls, workdir: pathlib.Path, mesh: Mesh | None = None) -> "Detector":
        """The detector of a run; arguments and errors as `load_run`."""
        run = load_run(workdir, mesh)
        scorer = make_scorer(run.config, run.mesh)
        folder = workdir / FOLDER / str(run.step)
        return cls(run.config, _settings(workdir), run.params, run.step, folder, scorer)

    def predict(self, path: pathlib.Path) -> Verdict:
        """What the detector says of one file; never raises for what the file may hold.

        The whole file is judged, in consecutive windows of the length the model was trained on.
        A file's probability is the mean over its windows, its offset their median.

        Args:
            path: any video or sound file.

        Returns:
            JSON-ready. `answer` is `yes`, with p_fake, p_video, p_audio, p_mismatch and
            best_offset_ms (null where a modality is missing) and `windows`: the same for each
            part, with its start and a timeline. Or `answer` is `no`, with `reason` and `detail`.
        """
        seconds = self.config.data.clip.seconds
        settings = dataclasses.replace(self.settings, window_s=seconds, stride_s=seconds)
        source = ClipSource(path=path, key=path.name, dataset="file")
        windows: list[Verdict] = []
        try:
            clips = iterate_clips(source, settings)
            while chunk := list(itertools.islice(clips, WINDOWS_AT_A_TIME)):
                windows += self._judge(chunk)
        except MediaError as error:
            return {"file": str(path), "answer": "no"} | {
                "reason": error.reason,
                "detail": error.detail,
            }
        return {"file": str(path), "answer": "yes", **_combine(windows), "windows": windows}

    def _judge(self, clips: list[ClipRecord]) -> list[Verdict]:
        spec = self.config.data.clip
        rows = [clip_row(Sample(0, clip), spec, centre_window(clip, spec), -1) for clip in clips]
        scores = self.scorer.batch(self.params, self._stack(rows))
        return [
            _window(scores, index, clip, row["frame_times"])
            for index, (clip, row) in enumerate(zip(clips, rows, strict=True))
        ]

    def _stack(self, rows: list[ClipRow]) -> ClipBatch:
        """A batch of fixed size that the mesh divides, padded with blank rows."""
        size = math.lcm(WINDOWS_AT_A_TIME, self.scorer.mesh.size)
        padding = [blank_row(self.config.data.clip, -1)] * (size - len(rows))
        return {key: np.stack([row[key] for row in rows + padding]) for key in rows[0]}  # type: ignore[return-value]


def _settings(workdir: pathlib.Path) -> PrepareSettings:
    path = workdir / FINGERPRINT_FILE
    if not path.exists():  # a set that was made, not prepared from files
        return PrepareSettings()
    return structure(PrepareSettings, json.loads(path.read_text())["settings"], str(path))


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
