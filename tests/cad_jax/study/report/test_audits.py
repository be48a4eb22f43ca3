import json

import pytest

from cad_jax.study.report.runs import audit_blocks
from data_pipelines.documents.blocks import Commands, Table, Text


@pytest.fixture
def told(add, tmp_path):
    """What is told of a set beside which some text lies as its audit: `told(text)`."""

    def tell(text):
        if text is not None:
            (tmp_path / "audit.json").write_text(text)
        return list(audit_blocks(add("full", 0, config={"data": {"path": str(tmp_path)}})))

    return tell


def figures(auc, suspicious):
    return {
        "auc": auc, "interval": [0.4, 1.0], "forged": 3, "genuine": 2, "suspicious": suspicious
    }  # fmt: skip


def audit(suspicious, shared):
    entry = {"probe": "silence", "joint": False, "train": figures(0.9, suspicious), "others": {}}
    leak = {"kind": "files", "splits": ["a", "b"], "shared": shared, "clips": [1, 1]}
    return json.dumps({"shortcuts": [entry], "leaks": [leak | {"examples": ["<x>"]}]})


def test_warnings_of_the_audit_are_told(told, tmp_path):
    shortcut, shortcuts, leak, leaks = told(audit(True, 2))
    assert shortcut == Text(
        f"{tmp_path}: shortcuts that tell forged from genuine clips (AUC)", "warning"
    )
    assert isinstance(shortcuts, Table)
    assert shortcuts.cells[1] == ["silence", "", "3 / 2", "0.90 (0.40-1.00) *"]
    assert leak == Text(f"{tmp_path}: what splits share", "warning")
    assert isinstance(leaks, Table)
    assert leaks.cells[1] == ["a and b", "files", 2, 1, 1, "<x>"]


def test_an_audit_that_found_nothing_says_so(told, tmp_path):
    assert told(audit(False, 0)) == [
        Text(f"{tmp_path}: no shortcut is suspicious, and splits share nothing.")
    ]


def test_without_an_audit_its_command_is_told(told, tmp_path):
    said, commands = told(None)
    assert said == Text(f"{tmp_path}: no audit lies beside it; this makes one:")
    assert commands == Commands([f"python scripts/audit.py --path={tmp_path}"])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"shortcuts": [1], "leaks": []}'])
def test_what_is_no_audit_is_named(told, tmp_path, text):
    assert told(text) == [Text(f"{tmp_path / 'audit.json'} is no report of an audit", "warning")]
