"""The shortcut audit's report: every probe's AUC, for any forgery and for each kind apart.

Owns the comparison groups, the JSON-ready form and the printed table; the probes are in `probes`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.audit.comparisons import ANY, comparisons
from data_pipelines.audit.probes import (
    WARNING,
    AuditRow,
    ProbeResult,
    joint_probes,
    single_probes,
)
from data_pipelines.records.clip import FAKE

FEWEST = 8  # forged and genuine clips of a kind; fewer tell nothing
MOST_WARNINGS = 40  # printed; the JSON has all

Entry = dict[str, Any]
Report = dict[str, Any]


def audit_report(rows: Sequence[AuditRow]) -> Report:
    """All probes, for any forgery and for each kind (see `comparisons`) of enough clips.

    Returns:
        clips, forged, genuine: counts.
        kinds: `any forgery` or a kind -> its results, `joint` and `single`: name, auc, error,
            forged, genuine, suspicious.
    """
    groups = comparisons([row.facts for row in rows])
    forged = sum(row.facts.label == FAKE for row in rows)
    kinds = {}
    for name, members in groups.items():
        own = sum(
            rows[position].facts.label == FAKE for position in np.flatnonzero(members).tolist()
        )
        if name != ANY and min(own, int(members.sum()) - own) < FEWEST:
            continue
        chosen = [rows[position] for position in np.flatnonzero(members).tolist()]
        kinds[name] = {
            "joint": [entry_of(result) for result in joint_probes(chosen)],
            "single": [entry_of(result) for result in single_probes(chosen)],
        }
    return {"clips": len(rows), "forged": forged, "genuine": len(rows) - forged, "kinds": kinds}


def report_lines(report: Report) -> list[str]:
    """The report for people: joint probes by kind, and the warnings of kinds.

    Those of any forgery are in `shortcuts`, across splits and with intervals.
    """
    kinds = report["kinds"]
    lines = [
        f"{report['clips']} clips: {report['forged']} forged, {report['genuine']} genuine",
        "",
        f"AUC and standard error against genuine clips; 0.5 is wanted, * is outside "
        f"{1 - WARNING:g} to {WARNING:g} and two errors from 0.5",
        "",
        "Joint probes by kind (logistic regression, cross-validated by identity)",
        *table({name: group["joint"] for name, group in kinds.items()}),
        "",
    ]
    warnings = [
        f"{_short(name)}: {entry['name']} {_cell(entry)}"
        for name, group in kinds.items()
        if name != ANY
        for entry in (*group["joint"], *group["single"])
        if entry["suspicious"]
    ]
    lines += [f"{len(warnings)} warnings of single kinds", *warnings[:MOST_WARNINGS]]
    more = len(warnings) - MOST_WARNINGS
    return [*lines, f"... and {more} more in the JSON"] if more > 0 else lines


def table(results: dict[str, list[Entry]]) -> list[str]:
    """One line a group, one column a probe; the first group holds every probe."""
    names = [entry["name"] for entry in next(iter(results.values()))]
    width = max(len(_short(name)) for name in results) + 1
    lines = [" " * width + "".join(f"{name:>11}" for name in names)]
    for group, entries in results.items():
        cells = {entry["name"]: _cell(entry) for entry in entries}
        lines.append(
            f"{_short(group):{width}}" + "".join(f"{cells.get(n, '-'):>11}" for n in names)
        )
    return lines


def entry_of(result: ProbeResult) -> Entry:
    """A probe's result, JSON-ready."""
    return dataclasses.asdict(result) | {"suspicious": result.suspicious}


def _short(name: str) -> str:
    """Methods may be described in whole sentences."""
    return name if len(name) <= 50 else f"{name[:36]}…{name[-13:]}"


def _cell(entry: Entry) -> str:
    mark = "*" if entry["suspicious"] else " "
    return f"{entry['auc']:.2f} {entry['error']:.2f}{mark}"
