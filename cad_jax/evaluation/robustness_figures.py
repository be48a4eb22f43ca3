"""What corruption costs: AUC by kind and severity, and p(mismatch) by the sound's delay.

Each figure has a 95 % interval by the same draws of people, so what is lost is paired. JSON-ready;
what is undefined is null.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from cad_jax.evaluation import groups
from cad_jax.evaluation.groups import Head
from cad_jax.evaluation.robustness import CLEAN, DELAY, DELAYS_MS, table_name
from cad_jax.evaluation.score_table import HEADS, ScoreTable, to_videos
from cad_jax.evaluation.summary import aligned, with_interval
from data_pipelines.corruptions.registry import KINDS, SEVERITIES
from data_pipelines.metrics.bootstrap import (
    bootstrap_intervals,
    bootstrap_values,
    draw_clusters,
    percentile_interval,
)
from data_pipelines.metrics.counts import PerSample, ScoreCounts, count_scores, ratio
from data_pipelines.metrics.ranking import auc

Figures = dict[str, Any]
DELAY_HEADS = ("p_mismatch", "p_fake")


class Line(NamedTuple):
    """One figure of one head, for a table."""

    kind: str
    severity: str
    value: float
    unit: str
    head: str
    measure: str
    figure: float | None
    low: float | None
    high: float | None


def robustness_figures(tables: Mapping[str, ScoreTable], draws: int, seed: int) -> Figures:
    """The figures of all tables; of whole videos.

    Args:
        tables: of scores, by name; see `robustness.table_name`.
        draws, seed: of the bootstrap.

    Returns:
        clean: AUC of each head on the clips as they are.
        kinds: by kind and severity its value, and of each head the AUC and `lost`: the clean AUC
            less this one.
        delay: by milliseconds the mean of p_mismatch and p_fake over clips in sync, and the median
            offset found.
    """
    videos = {name: to_videos(table) for name, table in tables.items()}
    found: Figures = {"clean": {}, "kinds": {}, "delay": {}}
    if CLEAN in videos:
        clean = videos[CLEAN]
        found["videos"] = len(clean)
        found["clean"] = _against(clean, clean, draws, seed)
        for kind, corruption in KINDS.items():
            levels = {
                str(level): {"value": corruption.values[level - 1]}
                | _against(videos[table_name(kind, level)], clean, draws, seed)
                for level in SEVERITIES
                if table_name(kind, level) in videos
            }
            if levels:
                found["kinds"][kind] = {"unit": corruption.unit, "severities": levels}
    delays = {ms: videos.get(table_name(DELAY, ms)) for ms in DELAYS_MS}
    found["delay"] = {
        str(ms): _of_delay(table, draws, seed) for ms, table in delays.items() if table is not None
    }
    return found


def lines(figures: Figures) -> Iterator[Line]:
    """Every figure by itself."""
    for head, of in figures["clean"].items():
        yield _line((CLEAN, "", 0.0, ""), head, of, "auc")
    for kind, levels in figures["kinds"].items():
        for severity, level in levels["severities"].items():
            where = kind, severity, float(level["value"]), levels["unit"]
            for head in HEADS:
                yield _line(where, head, level[head], "auc")
                yield _line(where, head, level[head], "lost")
    for ms, of in figures["delay"].items():
        for head in DELAY_HEADS:
            yield _line((DELAY, "", float(ms), "ms"), head, of[head], "mean")


def render(figures: Figures) -> list[str]:
    """The tables for people."""
    text = []
    if figures["clean"]:
        title = [f"AUC of {figures['videos']} videos (95 %)", "", "value"]
        rows = [[*title, *HEADS, "lost by p_fake"], [CLEAN, "", "", *_cells(figures["clean"]), ""]]
        for kind, levels in figures["kinds"].items():
            for severity, level in levels["severities"].items():
                value = f"{level['value']:g} {levels['unit']}"
                lost = with_interval(level["p_fake"], "lost")
                rows.append([kind, severity, value, *_cells(level), lost])
        text += aligned(rows, numbers=(1,))
    if figures["delay"]:
        clips = next(iter(figures["delay"].values()))["videos"]
        rows = [[f"sound late by, of {clips} in sync", *DELAY_HEADS, "offset found"]]
        for ms, of in figures["delay"].items():
            means = [with_interval(of[head], "mean") for head in DELAY_HEADS]
            rows.append([f"{ms} ms", *means, f"{of['best_offset_ms'] or 0:.0f} ms"])
        text += ["", *aligned(rows, numbers=(0, 3))]
    return text


def _against(table: ScoreTable, clean: ScoreTable, draws: int, seed: int) -> Figures:
    """AUC of each head, and what it has lost on the same draws."""
    people = draw_clusters(table.cluster, draws, seed)
    everything, found = groups.overall(table), {}
    for head, before in zip(groups.heads(table), groups.heads(clean), strict=True):
        rows = everything.rows(head) & everything.rows(before)
        labels, drawn = head.labels[rows], people.of(rows)

        def values(of: Head, rows=rows, labels=labels, drawn=drawn) -> tuple[float, PerSample]:
            scores = of.scores[rows]
            resampled = bootstrap_values({"auc": auc}, labels, scores, drawn)["auc"]
            return float(auc(count_scores(labels, scores))), resampled

        (now, now_drawn), (then, then_drawn) = values(head), values(before)
        found[head.name] = {
            "videos": len(labels),
            **_figure("auc", now, percentile_interval(now_drawn)),
            **_figure("lost", then - now, percentile_interval(then_drawn - now_drawn)),
        }
    return found


def _of_delay(table: ScoreTable, draws: int, seed: int) -> Figures:
    people = draw_clusters(table.cluster, draws, seed)
    known = np.isfinite(table.p_mismatch)
    found: Figures = {"videos": int(known.sum())}
    for head in DELAY_HEADS:
        scores, nothing = getattr(table, head)[known], np.zeros(known.sum(), np.int32)
        mean = _mean(count_scores(nothing, scores))
        ends = bootstrap_intervals({"mean": _mean}, nothing, scores, people.of(known))
        found[head] = _figure("mean", float(mean), ends["mean"])
    offsets = table.best_offset_ms[known]
    return found | {"best_offset_ms": float(np.median(offsets)) if len(offsets) else None}


def _mean(counts: ScoreCounts) -> PerSample:
    """Of the scores, whatever their labels."""
    clips = counts.fake + counts.real
    return ratio((clips * counts.scores).sum(-1), clips.sum(-1))


def _figure(name: str, value: float, ends: tuple[float, float]) -> Figures:
    low, high = (end if math.isfinite(end) else None for end in ends)
    return {name: value if math.isfinite(value) else None, f"{name}_interval": [low, high]}


def _line(where: tuple[str, str, float, str], head: str, of: Figures, measure: str) -> Line:
    return Line(*where, head, measure, of[measure], *of[f"{measure}_interval"])


def _cells(level: Figures) -> list[str]:
    return [with_interval(level[head], "auc") for head in HEADS]
