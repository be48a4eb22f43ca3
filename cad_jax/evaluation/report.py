"""The evaluation report: the metrics of a score table, overall and by group.

Owns which groups are compared and with what; the metrics are in `metrics`. A report is JSON-ready:
what is undefined is null there, `-` in the printed table.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from cad_jax.evaluation import metrics
from cad_jax.evaluation.scores import ScoreTable
from data_pipelines.metrics import auc
from data_pipelines.records.atomic import atomic_writer

Report = dict[str, Any]
HEAD_THRESHOLD = 0.5  # of p_video, p_audio, p_mismatch; only p_fake has a chosen threshold


def evaluate_table(table: ScoreTable, threshold: float, draws: int = 1000, seed: int = 0) -> Report:
    """All figures of a table.

    Args:
        table: scores of clips, or of videos.
        threshold: of p_fake, chosen on validation clips (`metrics.best_threshold`); nan where they
            had none.
        draws, seed: of the bootstrap behind each AUC's 95 % interval; see
            `metrics.bootstrap_interval`.

    Returns:
        coverage: how many clips there are, were scored and are left out for want of a label, and
            the reasons of those without a score.
        overall: figures of p_fake over all clips.
        heads: figures of p_video, p_audio and p_mismatch against their own labels.
        quadrants: FVRA, RVFA, FVFA and genuine clips out of sync, each against genuine ones (RVRA).
        methods: each method against the genuine clips of the data sets it occurs in; methods of
            picture and sound apart.
        datasets: each data set by itself.
    """

    def figures(rows: Bool[np.ndarray, " n"]) -> Report:
        return _figures(table, rows, table.label, table.p_fake, threshold, draws, seed)

    everything = np.ones(len(table), bool)
    return {
        "threshold": _or_null(threshold),
        "coverage": _coverage(table),
        "overall": figures(everything),
        "heads": {
            head: _figures(table, everything, labels, scores, HEAD_THRESHOLD, draws, seed)
            for head, labels, scores in _heads(table)
        },
        "quadrants": {name: figures(rows) for name, rows in _quadrants(table)},
        "methods": {name: figures(rows) for name, rows in _methods(table)},
        "datasets": {
            str(name): figures(table.dataset == name) for name in np.unique(table.dataset)
        },
    }


def write_report(report: Report, path: str | os.PathLike[str]) -> None:
    """Writes the report as JSON, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_writer(path) as write:
        write((json.dumps(report, indent=2, allow_nan=False) + "\n").encode())


def _coverage(table: ScoreTable) -> Report:
    reasons = Counter(reason for reason in table.reason.tolist() if reason)
    return {
        "clips": len(table),
        "scored": len(table) - reasons.total(),
        "unlabelled": int((table.label < 0).sum()),
        "reasons": dict(reasons.most_common()),
    }


def _heads(
    table: ScoreTable,
) -> Iterator[tuple[str, Integer[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
    yield "video", table.label_video, table.p_video
    yield "audio", table.label_audio, table.p_audio
    yield "mismatch", np.where(table.label_sync < 0, -1, 1 - table.label_sync), table.p_mismatch


def _quadrants(table: ScoreTable) -> Iterator[tuple[str, Bool[np.ndarray, " n"]]]:
    def quadrant(video: int, audio: int) -> Bool[np.ndarray, " n"]:
        return (table.label_video == video) & (table.label_audio == audio)

    genuine = quadrant(0, 0) & (table.label == 0)
    forged = {
        "FVRA": quadrant(1, 0),
        "RVFA": quadrant(0, 1),
        "FVFA": quadrant(1, 1),
        "RVRA out of sync": quadrant(0, 0) & (table.label == 1),
    }
    for name, rows in forged.items():
        if rows.any():
            yield name, rows | genuine


def _methods(table: ScoreTable) -> Iterator[tuple[str, Bool[np.ndarray, " n"]]]:
    for kind, methods, labels in (
        ("video", table.method_video, table.label_video),
        ("audio", table.method_audio, table.label_audio),
    ):
        for method in np.unique(methods[labels == 1]):
            forged = (methods == method) & (labels == 1)
            # Genuine clips of other data sets would be told apart by their origin alone.
            same_origin = np.isin(table.dataset, table.dataset[forged])
            yield f"{kind}: {method or 'unknown'}", forged | (same_origin & (table.label == 0))


def _figures(
    table: ScoreTable,
    rows: Bool[np.ndarray, " n"],
    labels: Integer[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    threshold: float,
    draws: int,
    seed: int,
) -> Report:
    """The metrics of the labelled and scored among some rows."""
    usable = rows & (labels >= 0) & np.isfinite(scores)
    labels, scores, clusters = labels[usable], scores[usable], table.cluster[usable]
    interval = metrics.bootstrap_interval(auc, labels, scores, clusters, draws=draws, seed=seed)
    figures = {
        "auc": auc(labels, scores),
        "average_precision": metrics.average_precision(labels, scores),
        "equal_error_rate": metrics.equal_error_rate(labels, scores),
        "accuracy": metrics.accuracy(labels, scores, threshold),
        "balanced_accuracy": metrics.balanced_accuracy(labels, scores, threshold),
        "tpr_at_fpr_1": metrics.tpr_at_fpr(labels, scores, 0.01),
        "tpr_at_fpr_10": metrics.tpr_at_fpr(labels, scores, 0.1),
        "calibration_error": metrics.expected_calibration_error(labels, scores),
    }
    return {
        "clips": len(labels),
        "fakes": int((labels == 1).sum()),
        "clusters": len(np.unique(clusters)),
        "threshold": _or_null(threshold),
        "auc_interval": [_or_null(end) for end in interval],
        **{name: _or_null(value) for name, value in figures.items()},
    }


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


_PRINTED = {
    "auc": "AUC",
    "average_precision": "AP",
    "equal_error_rate": "EER",
    "accuracy": "acc",
    "balanced_accuracy": "bal.acc",
    "tpr_at_fpr_1": "TPR@1%",
    "tpr_at_fpr_10": "TPR@10%",
    "calibration_error": "ECE",
}


def render(report: Report) -> str:
    """The report as plain text, one line a group."""
    coverage = report["coverage"]
    lines = [
        f"{coverage['scored']} of {coverage['clips']} scored, {coverage['unlabelled']} without a "
        f"label; threshold of p_fake {_number(report['threshold'])}",
        *(f"  not scored: {count} x {reason}" for reason, count in coverage["reasons"].items()),
    ]
    auc, *others = _PRINTED.values()
    rows = [["", "clips", "fakes", auc, "95 %", *others]]
    rows.append(["overall", *_cells(report["overall"])])
    for section, label in (
        ("heads", "head"),
        ("quadrants", "RVRA and"),
        ("methods", "method"),
        ("datasets", "set"),
    ):
        rows += [[f"{label} {name}", *_cells(group)] for name, group in report[section].items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _cells(group: Report) -> list[str]:
    low, high = group["auc_interval"]
    interval = "-" if low is None else f"{low:.3f}-{high:.3f}"
    auc, *others = (_number(group[name]) for name in _PRINTED)
    return [str(group["clips"]), str(group["fakes"]), auc, interval, *others]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
