"""The audit as one self-contained HTML page: warnings, leaks, every probe drawn with its interval.

Owns the page, its tables and its plots. Knows only the report, which is also its JSON.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from data_pipelines.audit.probes import WARNING
from data_pipelines.audit.shortcuts import shown, suspicious
from data_pipelines.documents.blocks import Block, Cells, Heading, Plot, Plots, Table, Text
from data_pipelines.documents.html_page import html_page
from data_pipelines.documents.svg import drawing, to_svg

Report = dict[str, Any]

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:purple")


def render_page(title: str, report: Report) -> str:
    """The page of a report as `scripts/audit.py` makes it."""
    shortcuts, leaks = report["shortcuts"], shared(report)
    suspects = [entry for entry in shortcuts if suspicious(entry)]
    blocks: list[Block] = [
        Heading(title, 1),
        Text(
            f"{report['clips']} labelled clips to fit on: {report['forged']} forged, "
            f"{report['genuine']} genuine. {_count(len(suspects), 'shortcut')} above {WARNING:g}, "
            f"{_count(len(leaks), 'leak')} between splits."
        ),
        Heading("Shortcuts"),
        Text(
            "Each statistic is oriented, each joint probe (logistic regression on all statistics "
            "of its name) fitted on the training split; bars are 95 % intervals, resampled by "
            f"person. 0.5 is wanted. Red: above {WARNING:g}, and surely above 0.5. Resolution, "
            "rates, codecs and bitrate are those of the source files, before any cure."
        ),
        Heading("Joint probes", 3),
        _forest([e for e in shortcuts if e["joint"]]),
        Heading("Single statistics", 3),
        _forest([e for e in shortcuts if not e["joint"]]),
        Heading("What splits share"),
        Table(leak_cells(leaks)) if leaks else Text("Nothing: no person, original, file or clip."),
        Heading("All figures"),
        Table(shortcut_cells(shortcuts)),
    ]
    return html_page(title, blocks)


def shared(report: Report) -> list[Report]:
    """What splits do share."""
    return [entry for entry in report["leaks"] if entry["shared"]]


def leak_cells(leaks: Sequence[Report]) -> Cells:
    """A row for each kind of thing that two splits share."""
    rows = [
        [
            " and ".join(entry["splits"]),
            entry["kind"],
            entry["shared"],
            *entry["clips"],
            "; ".join(entry["examples"]),
        ]
        for entry in leaks
    ]
    return [["splits", "what", "shared", "clips", "clips", "for example"], *rows]


def shortcut_cells(shortcuts: Sequence[Report]) -> Cells:
    """A row for each probe, with its AUC on every split."""
    splits = list(shortcuts[0]["others"]) if shortcuts else []
    rows = []
    for entry in shortcuts:
        cells = [shown(figures) for figures in (entry["train"], *entry["others"].values())]
        counts = f"{entry['train']['forged']} / {entry['train']['genuine']}"
        rows.append([entry["probe"], "joint" if entry["joint"] else "", counts, *cells])
    return [["probe", "", "forged / genuine", "train", *splits], *rows]


def _forest(entries: Sequence[Report]) -> Plots:
    """A line a probe: a dot and a bar for each split."""
    with drawing(9.0, 0.9 + 0.24 * len(entries)) as figure:
        axes = figure.subplots()
        axes.axvspan(1 - WARNING, WARNING, color="0.94")
        axes.axvline(0.5, color="0.6", linewidth=0.8)
        splits = ["train", *(entries[0]["others"] if entries else ())]
        for number, split in enumerate(splits):
            _dots(axes, entries, split, number, len(splits))
        axes.set_yticks(range(len(entries)), [entry["probe"] for entry in entries])
        for label, entry in zip(axes.get_yticklabels(), entries, strict=True):
            label.set_color("#b00020" if suspicious(entry) else "black")
        axes.set_ylim(len(entries) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("AUC")
        axes.tick_params(axis="x", top=True, labeltop=True)
        axes.grid(axis="y", color="0.93", linewidth=0.6)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper right", ncols=len(splits), frameon=False)
        return Plots([Plot(to_svg(figure))])


def _dots(axes: Axes, entries: Sequence[Report], split: str, number: int, splits: int) -> None:
    colour = _COLOURS[number % len(_COLOURS)]
    for line, entry in enumerate(entries):
        figures = entry["train"] if split == "train" else entry["others"][split]
        height = line + 0.22 * (number - (splits - 1) / 2)
        low, high = figures["interval"]
        if low is not None:
            axes.plot([low, high], [height, height], color=colour, linewidth=1.2)
        name = split if line == 0 else None
        axes.plot(figures["auc"], height, "o", color=colour, markersize=3.5, label=name)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
