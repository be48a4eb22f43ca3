"""The score table: what the detector said of each clip, beside what is known of it.

Owns its columns, its CSV form and the step from clips to whole videos. Knows no metric, no model.
"""

import csv
import dataclasses
import io
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped

from data_pipelines.errors import UserError
from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.clip import video_of

Texts = Shaped[np.ndarray, " n"]
Labels = Integer[np.ndarray, " n"]
Scores = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """One row per clip, in columns; the CSV file has the same columns in the same order.

    Attributes:
        clip_id: unique, `dataset/path#start_ms`.
        dataset, split: where the clip is from.
        pair_id: the original it was made from; empty for unknown.
        cluster: the source identity by which confidence intervals resample.
        method_video, method_audio: how it was forged; `none` for genuine, empty for unknown.
        label, label_video, label_audio: 1 fake, 0 real, -1 unknown.
        label_sync: 1 in sync, 0 out of sync, -1 unknown.
        p_fake, p_video, p_audio, p_mismatch: probabilities; nan where there is no such verdict.
        best_offset_ms: by how much the sound seems to be late; nan like p_mismatch.
        sync_delay_ms: by how much it is late; nan where that is not known.
        reason: why there is no p_fake; empty where there is one.

    Raises:
        ValueError: columns of unequal length, a clip twice, a label or probability out of range, or
            a missing p_fake without a reason.
    """

    clip_id: Texts
    dataset: Texts
    split: Texts
    pair_id: Texts
    cluster: Texts
    method_video: Texts
    method_audio: Texts
    label: Labels
    label_video: Labels
    label_audio: Labels
    label_sync: Labels
    p_fake: Scores
    p_video: Scores
    p_audio: Scores
    p_mismatch: Scores
    best_offset_ms: Scores
    sync_delay_ms: Scores
    reason: Texts

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"score columns differ in length: {lengths}")
        names, counts = np.unique(self.clip_id, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"clip {str(names[counts > 1][0])!r} is scored more than once")
        for column in _LABELS:
            self._refuse(column, ~np.isin(getattr(self, column), (-1, 0, 1)), "is not 1, 0 or -1")
        for column in HEADS:
            values = getattr(self, column)
            out_of_range = ~np.isnan(values) & ~((values >= 0) & (values <= 1))
            self._refuse(column, out_of_range, "is no probability")
        unexplained = np.isnan(self.p_fake) != (self.reason != "")
        self._refuse("reason", unexplained, "must say why p_fake is missing, and only then")

    def __len__(self) -> int:
        return len(self.clip_id)

    @property
    def labelled(self) -> Bool[np.ndarray, " n"]:
        """Whether a clip has a label and a p_fake: what something can be chosen on."""
        return (self.label >= 0) & (self.reason == "")

    def select(self, rows: Bool[np.ndarray, " n"] | Integer[np.ndarray, " k"]) -> "ScoreTable":
        """The rows of a mask, or of indices in their order."""
        return ScoreTable(**{name: getattr(self, name)[rows] for name in COLUMNS})

    def _refuse(self, column: str, wrong: Bool[np.ndarray, " n"], why: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            value = getattr(self, column)[row].item()
            raise ValueError(f"clip {str(self.clip_id[row])!r}: {column}={value!r} {why}")


COLUMNS = tuple(field.name for field in dataclasses.fields(ScoreTable))
_LABELS = ("label", "label_video", "label_audio", "label_sync")
HEADS = ("p_fake", "p_video", "p_audio", "p_mismatch")  # probabilities, the fused one first
_NUMBERS = (*HEADS, "best_offset_ms", "sync_delay_ms")


def write_scores(table: ScoreTable, path: str | os.PathLike[str]) -> None:
    """Writes the table as CSV, whole or not at all; missing numbers are empty cells.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(zip(*(_cells(table, name) for name in COLUMNS), strict=True))
    with atomic_writer(path) as write:
        write(text.getvalue().encode())


def read_scores(path: str | os.PathLike[str]) -> ScoreTable:
    """The inverse of `write_scores`, to the bit.

    Raises:
        UserError: the file is not there, or no table of scores.
    """
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        cells = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
        columns = {name: _column(name, cells.get(name, ())) for name in COLUMNS}
        if tuple(header) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        return ScoreTable(**columns)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read scores from {path}: {error}") from error


def to_videos(table: ScoreTable) -> ScoreTable:
    """One row per video, from its clips: those whose id is the same up to the last `#`.

    A video's probability is the mean over its scored clips. The mean of logits would let one
    saturated window outvote all others; the mean of probabilities stays calibrated where the clips
    are. A video is fake if any of its clips is, else unknown if any is unknown.

    Raises:
        ValueError: clips of one video are from different data sets, splits or clusters.
    """
    video_id = np.array([video_of(clip) for clip in table.clip_id.tolist()], dtype=np.str_)
    names, video, counts = np.unique(video_id, return_inverse=True, return_counts=True)
    order = np.argsort(video, kind="stable")
    groups = np.split(order, np.cumsum(counts)[:-1]) if len(names) else []
    columns = {"clip_id": names}
    for name, combine in _COMBINE.items():
        values = getattr(table, name)
        columns[name] = np.array([combine(values[rows]) for rows in groups], _dtype(name))
    columns["reason"] = np.where(np.isnan(columns["p_fake"]), columns["reason"], "")
    return ScoreTable(**columns)


def _the_same(values: Texts) -> str:
    if (values != values[0]).any():
        raise ValueError(f"clips of one video disagree: {sorted(set(values.tolist()))}")
    return values[0]


def _joined(values: Texts) -> str:
    """All distinct ones, `none` only where it is alone."""
    distinct = sorted(set(values.tolist()) - {""})
    return "; ".join([value for value in distinct if value != "none"] or distinct)


def _agreed(values: Scores) -> float:
    """What all clips have; nan where they differ."""
    return float(values[0]) if (values == values[0]).all() else np.nan


def _any(sign: int) -> Callable[[Labels], int]:
    """The label `sign` if any clip has it, else unknown if any is, else what they all are."""
    return lambda labels: sign if sign in labels else int(labels.min())


def _mean(values: Scores) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


def _median(values: Scores) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan


_COMBINE: dict[str, Callable] = {
    "dataset": _the_same,
    "split": _the_same,
    "pair_id": _the_same,
    "cluster": _the_same,
    "method_video": _joined,
    "method_audio": _joined,
    "label": _any(1),
    "label_video": _any(1),
    "label_audio": _any(1),
    "label_sync": _any(0),
    **dict.fromkeys(HEADS, _mean),
    "best_offset_ms": _median,
    "sync_delay_ms": _agreed,
    "reason": _joined,
}


def _column(name: str, cells: Sequence[str]) -> np.ndarray:
    values = [cell or "nan" for cell in cells] if name in _NUMBERS else list(cells)
    return np.array(values, np.str_).astype(_dtype(name))


def _dtype(column: str) -> type:
    if column in _LABELS:
        return np.int32
    return np.float64 if column in _NUMBERS else np.str_


def _cells(table: ScoreTable, column: str) -> list[str]:
    values = getattr(table, column).tolist()
    if column in _NUMBERS:
        return ["" if np.isnan(value) else repr(value) for value in values]
    return [str(value) for value in values]
