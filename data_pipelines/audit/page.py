"""The audit as one self-contained HTML page: warnings, leaks, every probe drawn with its interval.

Owns the page and its plots (SVG inside it). Knows only the report, which is also its JSON.
"""

import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pipelines.audit.probes import WARNING
from data_pipelines.audit.shortcuts import shown, suspicious

Report = dict[str, Any]

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
_STYLE = """
body { font: 14px/1.45 sans-serif; max-width: 62em; margin: 2em auto; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { padding: 2px 10px; text-align: left; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.warning { color: #b00020; font-weight: bold; }
svg { max-width: 100%; height: auto; }
"""


def render_page(title: str, report: Report) -> str:
    """The page of a report as `scripts/audit.py` makes it."""
    shortcuts, leaks = report["shortcuts"], [e for e in report["leaks"] if e["shared"]]
    suspects = [entry for entry in shortcuts if suspicious(entry)]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{report['clips']} labelled clips to fit on: {report['forged']} forged, "
        f"{report['genuine']} genuine. {_count(len(suspects), 'shortcut')} above {WARNING:g}, "
        f"{_count(len(leaks), 'leak')} between splits.</p>",
        "<h2>Shortcuts</h2>",
        "<p>Each statistic is oriented, each joint probe (logistic regression on all statistics of "
        "its name) fitted on the training split; bars are 95 % intervals, resampled by person. "
        f"0.5 is wanted. Red: above {WARNING:g}, and surely above 0.5. Resolution, rates, "
        "codecs and bitrate are those of the source files, before any cure.</p>",
        f"<h3>Joint probes</h3>{_svg(_forest([e for e in shortcuts if e['joint']]))}",
        f"<h3>Single statistics</h3>{_svg(_forest([e for e in shortcuts if not e['joint']]))}",
        "<h2>What splits share</h2>",
        _leak_table(leaks) if leaks else "<p>Nothing: no person, original, file or clip.</p>",
        "<h2>All figures</h2>",
        _figure_table(shortcuts),
    ]
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _forest(entries: Sequence[Report]) -> Figure:
    """A line a probe: a dot and a bar for each split."""
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9}):
        figure = Figure(figsize=(9, 0.9 + 0.24 * len(entries)), layout="constrained")
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
    return figure


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


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "audit"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _leak_table(leaks: Sequence[Report]) -> str:
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
    return _table(["splits", "what", "shared", "clips", "clips", "for example"], rows)


def _figure_table(shortcuts: Sequence[Report]) -> str:
    splits = list(shortcuts[0]["others"]) if shortcuts else []
    rows = []
    for entry in shortcuts:
        cells = [shown(figures) for figures in (entry["train"], *entry["others"].values())]
        counts = f"{entry['train']['forged']} / {entry['train']['genuine']}"
        rows.append([entry["probe"], "joint" if entry["joint"] else "", counts, *cells])
    return _table(["probe", "", "forged / genuine", "train", *splits], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, int):
            return f"<td class='number'>{value}</td>"
        text = html.escape(str(value))
        return f"<td class='warning'>{text}</td>" if text.endswith("*") else f"<td>{text}</td>"

    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
