"""The figures of a score table, overall and by group of clips: the evaluation report.

Owns what is measured of which group; the groups are in `groups`, the metrics in
`data_pipelines.metrics`. A report is JSON-ready: beside each figure `x` stands `x_interval`, its
95 % bootstrap interval over clusters, and what is undefined is null.
"""

import functools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from cad_jax.evaluation import groups
from cad_jax.evaluation.groups import Group, Head
from cad_jax.evaluation.score_table import ScoreTable
from cad_jax.settings.model import SYNC_RADIUS
from data_pipelines.metrics.bootstrap import (
    Interval,
    Metric,
    Resamples,
    bootstrap_intervals,
    draw_clusters,
)
from data_pipelines.metrics.counts import ScoreCounts, count_scores
from data_pipelines.metrics.ranking import within_pair_auc
from data_pipelines.metrics.standard import standard_metrics
from data_pipelines.metrics.thresholds import accuracy, best_threshold
from data_pipelines.records.clip import FRAME_RATE

Report = dict[str, Any]
HEAD_THRESHOLD = 0.5  # of p_video, p_audio, p_mismatch; only p_fake has a chosen threshold
FRAME_MS = 1000 / FRAME_RATE
# Among these the detector chooses the best.
OFFSETS_MS = FRAME_MS * np.arange(-SYNC_RADIUS, SYNC_RADIUS + 1)


def choose_threshold(validation: ScoreTable) -> float:
    """The threshold of p_fake by `best_threshold`; nan where no clip has label and score."""
    labelled = validation.select(validation.labelled)
    return best_threshold(count_scores(labelled.label, labelled.p_fake))


def evaluate_table(table: ScoreTable, threshold: float, draws: int = 1000, seed: int = 0) -> Report:
    """All figures of a table.

    Args:
        table: scores of clips, or of videos.
        threshold: of p_fake, chosen on validation clips (`choose_threshold`); nan where they
            had none.
        draws, seed: of the bootstrap behind each 95 % interval; see `draw_clusters`. All heads and
            groups share the draws.

    Returns:
        coverage: how many clips there are, were scored and are left out for want of a label, and
            the reasons of those without a score.
        overall: figures of p_fake, p_video, p_audio and p_mismatch, each against its own labels.
        quadrants, kinds: the same for each of `groups.quadrants` and `groups.kinds` against genuine
            clips; only of those heads that have something to find there.
        datasets: like `overall`, of each data set by itself.
        within_originals: AUC of p_fake among the clips of one original only, and the number of
            (forged, genuine) comparisons: who speaks and who filmed cannot help there.
        sync: how often the best offset is within one frame of the truth, in sync and delayed.
    """
    heads, people = groups.heads(table), draw_clusters(table.cluster, draws, seed)

    def figures(group: Group, head: Head) -> Report:
        chosen = threshold if head.name == "p_fake" else HEAD_THRESHOLD
        return _figures(table, group.rows(head), head, chosen, people)

    def of_all(group: Group) -> Report:
        return {head.name: figures(group, head) for head in heads}

    def of_suited(group: Group) -> Report:
        return {head.name: figures(group, head) for head in heads if group.suits(head)}

    delay = table.sync_delay_ms
    return {
        "threshold": _or_null(threshold),
        "coverage": _coverage(table),
        "overall": of_all(groups.overall(table)),
        "quadrants": {group.name: of_suited(group) for group in groups.quadrants(table)},
        "kinds": {group.name: of_suited(group) for group in groups.kinds(table)},
        "datasets": {group.name: of_all(group) for group in groups.datasets(table)},
        "within_originals": _within_originals(table, heads[0]),
        "sync": {
            "in_sync": _offset_figures(table, delay == 0, people),
            "delayed": _offset_figures(table, np.isfinite(delay) & (delay != 0), people),
        },
    }


def _coverage(table: ScoreTable) -> Report:
    reasons = Counter(reason for reason in table.reason.tolist() if reason)
    return {
        "clips": len(table),
        "scored": len(table) - reasons.total(),
        "unlabelled": int((table.label < 0).sum()),
        "reasons": dict(reasons.most_common()),
    }


def _figures(
    table: ScoreTable,
    rows: Bool[np.ndarray, " n"],
    head: Head,
    threshold: float,
    people: Resamples,
) -> Report:
    """The metrics of one head over some rows."""
    labels, scores = head.labels[rows], head.scores[rows]
    metrics = standard_metrics(threshold)
    intervals = bootstrap_intervals(metrics, labels, scores, people.of(rows))
    return {
        "clips": len(labels),
        "fakes": int((labels == 1).sum()),
        "clusters": len(np.unique(table.cluster[rows])),
        "threshold": _or_null(threshold),
        **_with_intervals(metrics, count_scores(labels, scores), intervals),
    }


def _with_intervals(
    metrics: Mapping[str, Metric], counts: ScoreCounts, intervals: Mapping[str, Interval]
) -> Report:
    figures = {}
    for name, metric in metrics.items():
        figures[name] = _or_null(float(metric(counts)))
        figures[f"{name}_interval"] = [_or_null(end) for end in intervals[name]]
    return figures


def _within_originals(table: ScoreTable, fused: Head) -> Report:
    rows = groups.overall(table).rows(fused) & (table.pair_id != "")
    originals = np.char.add(np.char.add(table.dataset, "/"), table.pair_id)
    result = within_pair_auc(fused.labels[rows], fused.scores[rows], originals[rows])
    return {"auc": _or_null(result.auc), "comparisons": result.comparisons}


def _offset_figures(table: ScoreTable, rows: Bool[np.ndarray, " n"], people: Resamples) -> Report:
    """Share of clips whose best offset is within one frame of the truth.

    `chance` is the share that a uniform choice among the offsets would reach.
    """
    rows = rows & np.isfinite(table.best_offset_ms)
    truth = table.sync_delay_ms[rows]
    hits = (np.abs(table.best_offset_ms[rows] - truth) <= FRAME_MS).astype(np.float64)
    # A share of hits is the accuracy where everything ought to be hit.
    metrics: dict[str, Metric] = {"within_one_frame": functools.partial(accuracy, threshold=0.5)}
    wanted = np.ones(len(hits), np.int32)
    intervals = bootstrap_intervals(metrics, wanted, hits, people.of(rows))
    chance = (np.abs(OFFSETS_MS[:, None] - truth) <= FRAME_MS).mean() if rows.any() else np.nan
    return {
        "clips": int(rows.sum()),
        **_with_intervals(metrics, count_scores(wanted, hits), intervals),
        "chance": _or_null(chance),
    }


def _or_null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
