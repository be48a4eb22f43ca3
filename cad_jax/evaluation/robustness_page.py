"""The robustness of a detector on one page: a panel a kind of corruption, and one of the delays.

Draws with Matplotlib, which is slow to import: import this module where the page is drawn.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cad_jax.evaluation.report_page import HEAD_COLOURS
from cad_jax.evaluation.robustness_figures import DELAY_HEADS, Figures
from cad_jax.evaluation.score_table import HEADS
from data_pipelines.corruptions.registry import KINDS

_COLUMNS = 5
_PANEL = (3.0, 2.3)  # inches


def draw_robustness(title: str, figures: Figures) -> Figure:
    """The page.

    Args:
        title: one line or more.
        figures: see `robustness_figures`; at least one kind, or the delays.
    """
    kinds, wide = figures["kinds"], 2 if figures["delay"] else 0
    rows = -(-(len(kinds) + wide) // _COLUMNS)
    size = (_COLUMNS * _PANEL[0], rows * _PANEL[1] + 0.9)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.add_gridspec(rows, _COLUMNS)
    for place, (kind, levels) in enumerate(kinds.items()):
        axes = figure.add_subplot(grid[divmod(place, _COLUMNS)])
        _draw_kind(axes, kind, levels, figures["clean"])
    if wide:  # beside one another in the last row
        start = len(kinds) % _COLUMNS
        start = start if start + wide <= _COLUMNS else _COLUMNS - wide
        _draw_delays(figure.add_subplot(grid[rows - 1, start : start + wide]), figures["delay"])
    patches = [Patch(color=HEAD_COLOURS[head]) for head in HEADS]
    figure.legend(patches, HEADS, loc="outside lower center", ncols=len(HEADS), fontsize=9)
    return figure


def _draw_kind(axes: Axes, kind: str, levels: Figures, clean: Figures) -> None:
    """AUC of the verdict, of the head of the same modality and of the mismatch, by severity."""
    own = "p_video" if KINDS[kind].modality == "picture" else "p_audio"
    severities = {0: clean} | {int(level): of for level, of in levels["severities"].items()}
    for head in ("p_fake", own, "p_mismatch"):
        points = {level: of[head] for level, of in severities.items()}
        _draw_curve(axes, head, points, "auc")
    axes.axhline(0.5, color="0.35", linestyle=":", linewidth=0.8)
    values = ["clean", *(f"{of['value']:g}" for of in levels["severities"].values())]
    axes.set_xticks(list(severities), values, fontsize=7)
    axes.set_title(f"{kind.replace('_', ' ')} ({levels['unit']})", fontsize=9)
    axes.set(ylim=(0.3, 1.02))
    axes.tick_params(axis="y", labelsize=7)


def _draw_delays(axes: Axes, delays: Figures) -> None:
    for head in DELAY_HEADS:
        _draw_curve(axes, head, {int(ms): of[head] for ms, of in delays.items()}, "mean")
    axes.axvline(0, color="0.35", linestyle=":", linewidth=0.8)
    axes.set_title("mean probability by the sound's delay (ms; positive: late)", fontsize=9)
    axes.set(ylim=(0, 1))
    axes.tick_params(labelsize=7)


def _draw_curve(axes: Axes, head: str, points: dict[int, Figures], measure: str) -> None:
    """A line with its interval; what is undefined is left out."""
    known = {at: of for at, of in sorted(points.items()) if of[measure] is not None}
    at, colour = list(known), HEAD_COLOURS[head]
    axes.plot(
        at, [of[measure] for of in known.values()], color=colour, marker="o",
        markersize=2.5, linewidth=1.6 if head == "p_fake" else 1.1,
    )  # fmt: skip
    ends = np.array([of[f"{measure}_interval"] for of in known.values()], np.float64).reshape(-1, 2)
    axes.fill_between(at, ends[:, 0], ends[:, 1], color=colour, alpha=0.13, linewidth=0)
