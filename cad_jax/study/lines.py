"""A study's figures as text, plain or Markdown."""

from collections.abc import Sequence

import numpy as np

from cad_jax.study.figures import Difference, Figure, Row
from cad_jax.study.systems import System

_NAMES = {
    "auc": "AUC",
    "average_precision": "AP",
    "equal_error_rate": "EER",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "tpr_at_fpr_1": "TPR at 1 % FPR",
    "tpr_at_fpr_10": "TPR at 10 % FPR",
    "calibration_error": "ECE",
}
LEGEND = "mean over seeds \u00b1 spread over seeds (95 % interval over people)"


def table_lines(rows: Sequence[Row], systems: Sequence[System], markdown: bool) -> list[str]:
    """A table for each group of each test."""
    lines, metrics = [f"{LEGEND}; {_seeds(systems)}", *_warnings(systems)], list(rows[0].figures)
    for split, group in dict.fromkeys((row.split, row.group) for row in rows):
        here = [row for row in rows if (row.split, row.group) == (split, group)]
        title = split if group == "all" else f"{split}, {group}"
        cells = [["variant", *(_NAMES.get(name, name) for name in metrics)]]
        cells += [[row.variant, *(_with_spread(row.figures[m]) for m in metrics)] for row in here]
        lines += ["", f"{title}: {here[0].clips} of {here[0].people} people", ""]
        lines += _aligned(cells, markdown)
    return lines


def comparison_lines(
    differences: Sequence[Difference], systems: Sequence[System], markdown: bool
) -> list[str]:
    """One table of all differences."""
    cells = [["test", "less", "metric", "difference", "p", "p (Holm)", "p by clips, each seed"]]
    for one in differences:
        test = one.split if one.group == "all" else f"{one.split}, {one.group}"
        by_clips = " ".join(_p(p) for p in one.p_clips) or "-"
        difference = _with_spread(one.figure, sign=True)
        name = _NAMES[one.metric]
        cells.append([test, one.other, name, difference, _p(one.p), _p(one.p_holm), by_clips])
    return [
        f"{systems[0].variant} less another, {LEGEND}; {_seeds(systems)}",
        f"p: paired bootstrap over people, Holm's correction over {len(differences)} differences; "
        "by clips: DeLong for AUC, McNemar for accuracy",
        *_warnings(systems),
        "",
        *_aligned(cells, markdown),
    ]


def _with_spread(figure: Figure, sign: bool = False) -> str:
    plus = "+" if sign else ""
    if np.isnan(figure.mean):
        return "-"
    spread = "" if np.isnan(figure.spread) else f" \u00b1 {figure.spread:.3f}"
    low, high = figure.interval
    ends = "-" if np.isnan(low) else f"{low:{plus}.3f} to {high:{plus}.3f}"
    return f"{figure.mean:{plus}.3f}{spread} ({ends})"


def _p(value: float) -> str:
    return "-" if np.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def _seeds(systems: Sequence[System]) -> str:
    seeds = {system.seeds for system in systems}
    if len(seeds) == 1:
        return f"seeds {', '.join(map(str, *seeds))}"
    return "seeds: " + "; ".join(f"{s.variant} {', '.join(map(str, s.seeds))}" for s in systems)


def _warnings(systems: Sequence[System]) -> list[str]:
    codes = set().union(*(system.codes for system in systems))
    if len(codes) == 1:
        return []
    names = ", ".join(sorted(code[:12] for code in codes))
    return [f"made by {len(codes)} versions of the code: {names}"]


def _aligned(cells: Sequence[Sequence[str]], markdown: bool) -> list[str]:
    if markdown:
        rows = [f"| {' | '.join(row)} |" for row in cells]
        return [rows[0], "|" + "---|" * len(cells[0]), *rows[1:]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
