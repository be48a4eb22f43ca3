"""The report holds what the probes say, and marks what is suspicious."""

import json

import numpy as np
import pytest

from data_pipelines.audit.comparisons import ANY, ClipFacts
from data_pipelines.audit.probe_report import audit_report, report_lines
from data_pipelines.audit.probes import AuditRow
from data_pipelines.records.atomic import write_json


@pytest.fixture
def report():
    """Sixty takes, genuine and forged by turns as `loud` and `plain`; `loud` is what it says."""
    rng = np.random.default_rng(0)
    rows = []
    for take in range(60):
        kind = ("loud", "plain")[take % 2]
        for label in (0, 1):
            level = rng.normal(2.0 * (label and kind == "loud"))
            features = {"level.rms": level, "colour.red": rng.normal()}
            facts = ClipFacts(label, str(take), kind if label else "real", str(take))
            rows.append(AuditRow(features, facts))
    return audit_report(rows)


def test_a_leak_is_named_with_its_kind_and_probe(report):
    assert (report["clips"], report["forged"], report["genuine"]) == (120, 60, 60)
    assert list(report["kinds"]) == [ANY, "loud", "plain"]
    suspicious = [
        (kind, entry["name"])
        for kind, group in report["kinds"].items()
        for entry in group["joint"] + group["single"]
        if entry["suspicious"]
    ]
    assert ("loud", "level") in suspicious
    assert ("loud", "level.rms") in suspicious
    assert not any(kind == "plain" or name.startswith("colour") for kind, name in suspicious)
    loud = {entry["name"]: entry for entry in report["kinds"]["loud"]["single"]}["level.rms"]
    assert loud["auc"] > 0.85
    assert (loud["forged"], loud["genuine"]) == (30, 30)


def test_lines_mark_and_repeat_the_warnings(report):
    lines = report_lines(report)
    row = next(line for line in lines if line.startswith("loud "))
    assert row.count("*") == 1
    assert any(line.startswith("loud: level.rms") and line.endswith("*") for line in lines)
    assert "120 clips: 60 forged, 60 genuine" in lines


def test_the_file_is_the_report(report, tmp_path):
    write_json(report, tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text()) == report
