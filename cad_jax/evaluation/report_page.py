"""The evaluation of a split on one page: ROC curves, AUC by kind, histograms, clips to look at.

Owns the page and everything Matplotlib, which is slow to import: import this module where a page is
drawn. Draws whatever there is; a panel without anything to show says so.
"""

import io
import os
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cad_jax.evaluation import groups
from cad_jax.evaluation.figures import FRAME_MS, OFFSETS_MS, Report
from cad_jax.evaluation.groups import Group
from cad_jax.evaluation.score_table import HEADS, ScoreTable
from cad_jax.evaluation.strips import Strip
from cad_jax.evaluation.summary import with_interval
from data_pipelines.metrics.counts import count_scores
from data_pipelines.metrics.ranking import roc
from data_pipelines.records.atomic import atomic_writer

MOST_KINDS = 12  # of forgery that curves and bars show, the most frequent ones

_GENUINE, _FORGED, _LINE = "tab:blue", "tab:red", "0.35"
HEAD_COLOURS = {
    "p_fake": "black", "p_video": "tab:green", "p_audio": "tab:orange", "p_mismatch": "tab:purple"
}  # fmt: skip
_STRIP_COLUMNS = 2
_LONGEST_NAME = 30  # letters


def draw_page(title: str, table: ScoreTable, report: Report, strips: Sequence[Strip]) -> Figure:
    """The page.

    Args:
        title: one line or more.
        table: scores of clips or videos.
        report: of this table.
        strips: clips to look at; may be none.
    """
    strip_rows = -(-len(strips) // _STRIP_COLUMNS)
    height = 9.6 + max(0.9 * strip_rows, 0.4)
    # Names of data sets and methods are no formulas, whatever `$` they hold.
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=(12, height), dpi=100, layout="constrained")
        figure.suptitle(title, fontsize=11)
        upper, lower = figure.subfigures(2, 1, height_ratios=(9, height - 9))  # type: ignore[misc]
        (roc, kinds), (scores, offsets) = upper.subplots(2, 2, height_ratios=(5.2, 3))
        _draw_roc(roc, table, report)
        _draw_kinds(kinds, report)
        _draw_scores(scores, table, report["threshold"])
        _draw_offsets(offsets, table)
        cells = lower.subplots(max(strip_rows, 1), _STRIP_COLUMNS, squeeze=False)
        _draw_strips(cells.ravel().tolist(), strips)
    return figure


def write_picture(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a page as PNG, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    png = io.BytesIO()
    figure.savefig(png, format="png")
    with atomic_writer(path) as write:
        write(png.getvalue())


def _draw_roc(axes: Axes, table: ScoreTable, report: Report) -> None:
    axes.set_title("ROC of p_fake, each kind of forgery against genuine clips")
    axes.plot([0, 1], [0, 1], color=_LINE, linestyle=":", linewidth=0.8)
    fused, *_ = groups.heads(table)

    def draw(group: Group, figures: Report, **style: object) -> None:
        if figures["auc"] is None:
            return
        rows = group.rows(fused)
        curve = roc(count_scores(fused.labels[rows], fused.scores[rows]))
        label = f"{_short(group.name)}  {with_interval(figures, 'auc')}"
        axes.plot(curve.fpr, curve.tpr, label=label, **style)  # type: ignore[arg-type]

    draw(groups.overall(table), report["overall"]["p_fake"], color="black", linewidth=2.2)
    colours = _distinct_colours()
    by_name = {group.name: group for group in groups.kinds(table)}
    for number, name in enumerate(_frequent(report)):
        draw(by_name[name], report["kinds"][name]["p_fake"], color=colours[number], linewidth=1.2)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, loc="lower right", fontsize=7, title="AUC (95 %)")
    else:
        _say(axes, "no scored clips of both classes")


def _draw_kinds(axes: Axes, report: Report) -> None:
    axes.set_title("AUC by kind and head, with 95 % interval")
    names = _frequent(report)
    if not names:
        return _say(axes, "no forged clips")
    axes.axvline(0.5, color=_LINE, linestyle=":", linewidth=0.8)
    for place, name in enumerate(names):
        kind = report["kinds"][name]
        known = [head for head in kind if kind[head]["auc"] is not None]
        for slot, head in enumerate(known):
            at = place + 0.2 * (slot - (len(known) - 1) / 2)
            axes.barh(at, kind[head]["auc"], height=0.18, color=HEAD_COLOURS[head], alpha=0.5)
            low, high = kind[head]["auc_interval"]
            if low is not None:
                axes.plot([low, high], [at, at], color=HEAD_COLOURS[head], marker="|", markersize=4)
    counts = [report["kinds"][name]["p_fake"]["fakes"] for name in names]
    ticks = [f"{_short(name)}  ({count})" for name, count in zip(names, counts, strict=True)]
    axes.set_yticks(range(len(names)), ticks)
    axes.set(xlim=(0, 1.01), ylim=(len(names) - 0.4, -0.6), xlabel="AUC; in brackets: forged clips")
    bars = [Patch(color=HEAD_COLOURS[head], alpha=0.5) for head in HEADS]
    # Below the panel: within, it would hide bars.
    axes.legend(bars, HEADS, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, fontsize=7)
    return None


def _draw_scores(axes: Axes, table: ScoreTable, threshold: float | None) -> None:
    axes.set_title("p_fake by class")
    bins = np.linspace(0, 1, 26)
    parts = {"genuine": table.label == 0, "forged": table.label == 1}
    _histograms(axes, table.p_fake, bins, parts)
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.2f}")
        axes.legend(fontsize=7)
    axes.set(xlabel="p_fake", xlim=(0, 1))


def _draw_offsets(axes: Axes, table: ScoreTable) -> None:
    axes.set_title("Best offset of sound against lips")
    bins = np.append(OFFSETS_MS, OFFSETS_MS[-1] + FRAME_MS) - FRAME_MS / 2
    parts = {"in sync": table.label_sync == 1, "out of sync": table.label_sync == 0}
    _histograms(axes, table.best_offset_ms, bins, parts)
    axes.set(xlabel="milliseconds by which the sound seems late")


def _histograms(
    axes: Axes,
    values: Float[np.ndarray, " n"],
    bins: Float[np.ndarray, " e"],
    parts: dict[str, Bool[np.ndarray, " n"]],
) -> None:
    """One histogram a part, as shares of it."""
    drawn = False
    for (name, part), colour in zip(parts.items(), (_GENUINE, _FORGED), strict=True):
        chosen = values[part & np.isfinite(values)]
        if len(chosen):
            weights = np.full(len(chosen), 1 / len(chosen))
            label = f"{name} ({len(chosen)})"
            axes.hist(chosen, bins.tolist(), weights=weights, color=colour, alpha=0.5, label=label)
            drawn = True
    axes.set_ylabel("share")
    if drawn:
        axes.legend(fontsize=7)
    else:
        _say(axes, f"no clips {' or '.join(parts)}")


def _draw_strips(cells: Sequence[Axes], strips: Sequence[Strip]) -> None:
    for axes in cells:
        axes.set_axis_off()
    for axes, strip in zip(cells, strips, strict=False):
        axes.imshow(strip.picture)
        axes.set_title(strip.caption, fontsize=7, loc="left", pad=2)
    if not strips:
        _say(cells[0], "no clips with a picture to show")


def _frequent(report: Report) -> list[str]:
    """The kinds with most forged clips, in the report's order."""
    names = list(report["kinds"])
    frequent = sorted(names, key=lambda name: -report["kinds"][name]["p_fake"]["fakes"])
    return [name for name in names if name in frequent[:MOST_KINDS]]


def _distinct_colours() -> list[tuple[float, ...]]:
    """The ten strong colours of `tab20` before the ten pale ones."""
    colours = [matplotlib.colormaps["tab20"](number) for number in range(20)]
    return colours[::2] + colours[1::2]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", color=_LINE, transform=axes.transAxes)
