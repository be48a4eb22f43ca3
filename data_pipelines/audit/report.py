"""The shortcut audit's report: every probe's AUC, for any forgery and for each kind apart.

Owns the comparison groups, the JSON-ready form and the printed table; the probes are in `probes`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.audit.groups import ANY, comparisons
from data_pipelines.audit.probes import (
    WARNING,
    AuditRow,
    ProbeResult,
    joint_probes,
    single_probes,
)
from data_pipelines.records.clip import FAKE

Entry = dict[str, Any]
Report = dict[str, Any]


def audit_report(rows: Sequence[AuditRow]) -> Report:
    """All probes, for any forgery and for each kind (see `groups.comparisons`).

    Returns:
        clips, forged, genuine: counts.
        kinds: `any forgery` or a kind -> its results, `joint` and `single`: name, auc, error,
            forged, genuine, suspicious.
    """
    groups = comparisons([row.facts for row in rows])
    forged = sum(row.facts.label == FAKE for row in rows)
    kinds = {}
    for name, members in groups.items():
        chosen = [rows[position] for position in np.flatnonzero(members).tolist()]
        kinds[name] = {
            "joint": [entry_of(result) for result in joint_probes(chosen)],
            "single": [entry_of(result) for result in single_probes(chosen)],
        }
    return {"clips": len(rows), "forged": forged, "genuine": len(rows) - forged, "kinds": kinds}


def report_lines(report: Report) -> list[str]:
    """The report for people: joint probes by kind, single statistics of any forgery, warnings."""
    kinds = report["kinds"]
    lines = [
        f"{report['clips']} clips: {report['forged']} forged, {report['genuine']} genuine",
        "",
        f"AUC and standard error against genuine clips; 0.5 is wanted, * is outside "
        f"{1 - WARNING:g} to {WARNING:g} and two errors from 0.5",
        "",
        "Joint probes (logistic regression, cross-validated by identity)",
        *table({name: group["joint"] for name, group in kinds.items()}),
        "",
        f"Single statistics, {ANY}",
        *(f"{entry['name']:22} {_cell(entry)}" for entry in kinds[ANY]["single"]),
        "",
    ]
    warnings = [
        f"{name}: {entry['name']} {_cell(entry)}"
        for name, group in kinds.items()
        for entry in (*group["joint"], *group["single"])
        if entry["suspicious"]
    ]
    return lines + [f"{len(warnings)} warnings", *warnings]


def table(results: dict[str, list[Entry]]) -> list[str]:
    """One line a group, one column a probe; the first group holds every probe."""
    names = [entry["name"] for entry in next(iter(results.values()))]
    width = max(len(name) for name in results) + 1
    lines = [" " * width + "".join(f"{name:>11}" for name in names)]
    for group, entries in results.items():
        cells = {entry["name"]: _cell(entry) for entry in entries}
        lines.append(f"{group:{width}}" + "".join(f"{cells.get(n, '-'):>11}" for n in names))
    return lines


def entry_of(result: ProbeResult) -> Entry:
    """A probe's result, JSON-ready."""
    return dataclasses.asdict(result) | {"suspicious": result.suspicious}


def _cell(entry: Entry) -> str:
    mark = "*" if entry["suspicious"] else " "
    return f"{entry['auc']:.2f} {entry['error']:.2f}{mark}"
