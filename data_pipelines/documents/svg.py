"""Matplotlib drawings as SVG elements that stand in a page; Matplotlib is slow to import."""

import contextlib
import io
from collections.abc import Iterator

import matplotlib
from matplotlib.figure import Figure

_NOTHING_BESIDES = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@contextlib.contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches to draw on; names with `$` are no formulas."""
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9}):
        yield Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure) -> str:
    """The figure's element: the same figure gives the same text, and text stays text."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "page"}):
        figure.savefig(file, format="svg", metadata=_NOTHING_BESIDES)
    return file.getvalue()[file.getvalue().index("<svg") :]
