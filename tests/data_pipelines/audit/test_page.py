"""The page holds what the report says, with its plots inside, and nothing from elsewhere."""

import xml.etree.ElementTree

import pytest

from data_pipelines.audit.page import render_page


def figures(auc, low, high, suspicious=False):
    return {
        "auc": auc, "interval": [low, high], "forged": 30, "genuine": 20, "suspicious": suspicious
    }  # fmt: skip


@pytest.fixture
def report():
    shortcuts = [
        ("silence.start", False, figures(0.97, 0.9, 1.0, True), figures(0.9, 0.8, 1.0, True)),
        ("silence", True, figures(0.95, 0.9, 1.0, True), figures(0.5, 0.3, 0.7)),
        ("codec.video=<b>$x$", False, figures(0.5, 0.4, 0.6), figures(0.5, None, None)),
    ]
    leak = {
        "kind": "identities", "splits": ["train", "test"], "shared": 3, "clips": [7, 5],
        "examples": ["<ann>", "bob"],
    }  # fmt: skip
    nothing = leak | {"kind": "originals", "shared": 0, "clips": [0, 0], "examples": []}
    return {
        "clips": 50, "forged": 30, "genuine": 20, "leaks": [leak, nothing],
        "shortcuts": [
            {"probe": probe, "joint": joint, "train": train, "others": {"test": test}}
            for probe, joint, train, test in shortcuts
        ],
    }  # fmt: skip


def test_the_page_names_shortcuts_and_leaks(report):
    page = render_page("Audit of <clips>", report)
    assert (
        "50 labelled clips to fit on: 30 forged, 20 genuine. 2 shortcuts above 0.6, 1 leak" in page
    )
    assert "<td class='warning'>0.97 (0.90-1.00) *</td>" in page
    assert "<td>train and test</td><td>identities</td><td class='number'>3</td>" in page
    assert "originals" not in page
    assert "&lt;ann&gt;; bob" in page
    assert "Audit of &lt;clips&gt;" in page
    assert "codec.video=<b>" not in page


def test_the_plots_are_inside(report):
    page = render_page("x", report)
    assert page.count("<svg") == page.count("</svg>") == 2
    start = page.index("<svg")
    plot = xml.etree.ElementTree.fromstring(page[start : page.index("</svg>") + len("</svg>")])
    texts = {element.text for element in plot.iter("{http://www.w3.org/2000/svg}text")}
    assert {"silence", "train", "test", "AUC"} <= texts
    for loaded in ("src=", "<link", "<script", "@import"):
        assert loaded not in page


def test_the_same_report_gives_the_same_page(report):
    assert render_page("x", report) == render_page("x", report)


def test_without_leaks_it_says_so(report):
    page = render_page("x", report | {"leaks": []})
    assert "Nothing: no person, original, file or clip." in page
