"""Where metrics go: JSON lines, always, and a TensorBoard event file beside them.

Knows files only; what is written and when is the training loop's business.
"""

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import SupportsFloat

from cad_jax.telemetry.clu_import import EventFileSummaryWriter, metric_writers
from cad_jax.telemetry.history import METRICS_FILE


class JsonLinesWriter(metric_writers.MetricWriter):
    """clu MetricWriter that appends one JSON object a call: `{"step": 10, "loss": 0.7}`.

    Args:
        path: the file. Lines of steps after `resume_step`, left by a run that was killed after
            its last checkpoint, are dropped first, so that every step stands in the file once.
        resume_step: the step that the run goes on from.
    """

    def __init__(self, path: pathlib.Path, resume_step: int = 0):
        _drop_lines_after(path, resume_step)
        self._file = path.open("a", encoding="utf-8")

    def write_scalars(self, step: int, scalars: Mapping[str, SupportsFloat]) -> None:
        values = {name: float(value) for name, value in scalars.items()}
        # JSON knows no nan: an undefined metric is null.
        row = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **row}) + "\n")

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._file.write(json.dumps({"step": step, **texts}) + "\n")

    def write_hparams(self, hparams: Mapping[str, object]) -> None:
        """The checkpoint and config.json hold the configuration."""

    def _unsupported(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError("JSON lines hold scalars and texts only")

    write_summaries = write_images = write_videos = write_audios = write_histograms = _unsupported

    def flush(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def create_writer(
    workdir: pathlib.Path, resume_step: int, *, is_lead: bool
) -> metric_writers.MetricWriter:
    """The run's writer: `metrics.jsonl` and a TensorBoard event file; nothing on other hosts."""
    if not is_lead:
        return metric_writers.MultiWriter([])
    return metric_writers.MultiWriter(
        [
            JsonLinesWriter(workdir / METRICS_FILE, resume_step),
            EventFileSummaryWriter(str(workdir / "tensorboard")),  # type: ignore[list-item]
        ]
    )


def _drop_lines_after(path: pathlib.Path, step: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the half line of a killed run
        if row["step"] <= step:
            kept.append(line + "\n")
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(path)
