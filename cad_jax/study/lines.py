"""A study's figures as tables, and these as text, plain or Markdown."""

from collections.abc import Iterator, Sequence

import numpy as np

from cad_jax.study.figures import Difference, Figure, Row
from cad_jax.study.systems import System
from data_pipelines.documents.blocks import Cells
from data_pipelines.documents.markdown import markdown_table

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
    lines = [f"{LEGEND}; {seeds_text(systems)}", *code_warnings(systems)]
    for title, cells in group_tables(rows):
        lines += ["", title, "", *_table(cells, markdown)]
    return lines


def comparison_lines(
    differences: Sequence[Difference], systems: Sequence[System], markdown: bool
) -> list[str]:
    """One table of all differences."""
    return [
        f"{systems[0].variant} less another, {LEGEND}; {seeds_text(systems)}",
        p_legend(differences),
        *code_warnings(systems),
        "",
        *_table(difference_cells(differences), markdown),
    ]


def group_tables(rows: Sequence[Row]) -> Iterator[tuple[str, Cells]]:
    """What each group of each test is, and its table: a row for each variant."""
    metrics = list(rows[0].figures)
    for split, group in dict.fromkeys((row.split, row.group) for row in rows):
        here = [row for row in rows if (row.split, row.group) == (split, group)]
        cells = [["variant", *map(metric_name, metrics)]]
        cells += [[row.variant, *(with_spread(row.figures[m]) for m in metrics)] for row in here]
        yield f"{_place(here[0])}: {here[0].clips} of {here[0].people} people", cells


def variant_columns(rows: Sequence[Row], metric: str) -> Cells:
    """One metric alone: a row for each group of each test, a column for each variant."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    by_place: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_place.setdefault((row.split, row.group), []).append(row)
    cells = [
        [
            _place(here[0]),
            f"{here[0].clips} ({here[0].people})",
            *(with_spread(row.figures[metric]) for row in here),
        ]
        for here in by_place.values()
    ]
    return [[metric_name(metric), "number (people)", *variants], *cells]


def difference_cells(differences: Sequence[Difference]) -> Cells:
    """A row for each difference."""
    cells = [["test", "less", "metric", "difference", "p", "p (Holm)", "p by clips, each seed"]]
    for one in differences:
        by_clips = " ".join(map(p_text, one.p_clips)) or "-"
        difference = with_spread(one.figure, sign=True)
        found = difference, p_text(one.p), p_text(one.p_holm), by_clips
        cells.append([_place(one), one.other, metric_name(one.metric), *found])
    return cells


def metric_name(name: str) -> str:
    """For people."""
    return _NAMES.get(name, name)


def p_legend(differences: Sequence[Difference]) -> str:
    """What the p values of these differences are."""
    return (
        "p: paired bootstrap over people, Holm's correction over "
        f"{len(differences)} differences; by clips: DeLong for AUC, McNemar for accuracy"
    )


def with_spread(figure: Figure, sign: bool = False) -> str:
    """E.g. `0.912 \u00b1 0.010 (0.880 to 0.941)`; `-` for what is not defined."""
    plus = "+" if sign else ""
    if np.isnan(figure.mean):
        return "-"
    spread = "" if np.isnan(figure.spread) else f" \u00b1 {figure.spread:.3f}"
    low, high = figure.interval
    ends = "-" if np.isnan(low) else f"{low:{plus}.3f} to {high:{plus}.3f}"
    return f"{figure.mean:{plus}.3f}{spread} ({ends})"


def p_text(value: float) -> str:
    """Three decimals."""
    return "-" if np.isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def seeds_text(systems: Sequence[System]) -> str:
    """Which seeds the figures are of."""
    seeds = {system.seeds for system in systems}
    if len(seeds) == 1:
        return f"seeds {', '.join(map(str, *seeds))}"
    return "seeds: " + "; ".join(f"{s.variant} {', '.join(map(str, s.seeds))}" for s in systems)


def code_warnings(systems: Sequence[System]) -> list[str]:
    """A line where not all was made by one program."""
    codes = set().union(*(system.codes for system in systems))
    if len(codes) == 1:
        return []
    names = ", ".join(sorted(code[:12] for code in codes))
    return [f"made by {len(codes)} versions of the code: {names}"]


def _place(one: Row | Difference) -> str:
    return one.split if one.group == "all" else f"{one.split}, {one.group}"


def _table(cells: Cells, markdown: bool) -> list[str]:
    if markdown:
        return markdown_table(cells)
    texts = [list(map(str, row)) for row in cells]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]
