"""Do shortcuts found on one split hold on others? Every probe's AUC with a 95 % interval.

Owns the comparison across splits; what is measured is in `clip_statistics`, the models in `probes`.
A statistic is oriented, a joint probe fitted, on the training clips alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from data_pipelines.audit.probes import (
    WARNING,
    AuditRow,
    auc,
    columns,
    cross_validated_scores,
    fit_and_score,
    names_of,
)
from data_pipelines.metrics import ranking
from data_pipelines.metrics.bootstrap import bootstrap_intervals, draw_clusters

Entry = dict[str, Any]

DRAWS = 500  # of the bootstrap behind each interval


def shortcut_table(
    train: Sequence[AuditRow], others: Mapping[str, Sequence[AuditRow]], draws: int = DRAWS
) -> list[Entry]:
    """One entry a probe, the strongest on training clips first.

    Args:
        train: orients and fits; its own joint probes are cross-validated by identity.
        others: split -> clips that the same orientation or model is tried on.
        draws: resamplings of identities (of originals where nobody is known) for each interval.

    Returns:
        Entries `probe`, `joint` (of all its statistics, or a single one), `train` and `others`:
        split -> auc, interval (nulls with fewer than two identities of a class), forged, genuine,
        suspicious (above 0.6, and surely above 0.5).
    """
    names = names_of(train)
    entries = [_single(name, train, others, draws) for name in names]
    probes = sorted({name.split(".")[0] for name in names})
    for probe in probes:
        statistics = [name for name in names if name.split(".")[0] == probe]
        entries.append(_joint(probe, statistics, train, others, draws))
    return sorted(entries, key=lambda entry: -entry["train"]["auc"])


def shortcut_lines(entries: Sequence[Entry], weakest: float = 0.55) -> list[str]:
    """The table for people, down to a training AUC; the rest is in the JSON."""
    splits = list(entries[0]["others"]) if entries else []
    lines = [
        "Shortcuts: oriented or fitted on train; AUC and 95 % interval by identity, * is a warning",
        f"{'':26}" + "".join(f"{split:21}" for split in ("train", *splits)).rstrip(),
    ]
    strong = [entry for entry in entries if suspicious(entry) or entry["train"]["auc"] >= weakest]
    for entry in strong:
        name = f"{entry['probe']}{' (joint)' if entry['joint'] else ''}"
        cells = (shown(figures) for figures in (entry["train"], *entry["others"].values()))
        lines.append(f"{name:26}" + "".join(f"{cell:21}" for cell in cells).rstrip())
    return [*lines, f"... and {len(entries) - len(strong)} more below {weakest:g}"]


def suspicious(entry: Entry) -> bool:
    """On the training split or any other."""
    return any(f["suspicious"] for f in (entry["train"], *entry["others"].values()))


def shown(figures: Entry) -> str:
    """E.g. `0.71 (0.62-0.80) *`."""
    low, high = figures["interval"]
    interval = "-" if low is None else f"{low:.2f}-{high:.2f}"
    return f"{figures['auc']:.2f} ({interval}){' *' if figures['suspicious'] else ''}"


def _single(
    name: str, train: Sequence[AuditRow], others: Mapping[str, Sequence[AuditRow]], draws: int
) -> Entry:
    _, values, labels = columns(train, [name])
    direction = -1.0 if auc(values[:, 0], labels) < 0.5 else 1.0

    def figures(rows: Sequence[AuditRow]) -> Entry:
        chosen, values, labels = columns(rows, [name])
        return _figures(direction * values[:, 0], labels, chosen, draws)

    held_out = {split: figures(rows) for split, rows in others.items()}
    return {"probe": name, "joint": False, "train": figures(train), "others": held_out}


def _joint(
    probe: str,
    statistics: Sequence[str],
    train: Sequence[AuditRow],
    others: Mapping[str, Sequence[AuditRow]],
    draws: int,
) -> Entry:
    chosen, values, labels = columns(train, statistics)
    scores = cross_validated_scores(values, labels, [row.facts.group for row in chosen])
    held_out = {}
    for split, rows in others.items():
        unseen, columns_there, truth = columns(rows, statistics)
        guesses = np.zeros(len(unseen))
        if len(unseen) and len(chosen):
            guesses = fit_and_score(values, labels, columns_there)
        held_out[split] = _figures(guesses, truth, unseen, draws)
    own = _figures(scores, labels, chosen, draws)
    return {"probe": probe, "joint": True, "train": own, "others": held_out}


def _figures(
    scores: Float[np.ndarray, " n"],
    labels: Bool[np.ndarray, " n"],
    rows: Sequence[AuditRow],
    draws: int,
) -> Entry:
    groups = np.array([row.facts.group for row in rows], np.str_)
    truth = labels.astype(np.int32)
    people = draw_clusters(groups, draws)
    interval = bootstrap_intervals({"auc": ranking.auc}, truth, scores, people)["auc"]
    value = auc(scores, labels)
    return {
        "auc": value,
        "interval": [end if math.isfinite(end) else None for end in interval],
        "forged": int(labels.sum()),
        "genuine": int((~labels).sum()),
        "suspicious": value > WARNING and interval[0] > 0.5,
    }
