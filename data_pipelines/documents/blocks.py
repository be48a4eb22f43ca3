"""What a report is made of, whatever form it takes.

Knows neither a form (`html_page`, `markdown`) nor any report. All text is plain: a form escapes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

Cells = Sequence[Sequence[str | int]]  # rows; the first one names the columns


class Heading(NamedTuple):
    """A title; `level` 1 is the report's own."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph; `tone` is `warning` or `headline` where it is to be seen first."""

    text: str
    tone: str = ""


class Table(NamedTuple):
    """Cells under their heads. A text that ends with `*` is a warning."""

    cells: Cells


class Plot(NamedTuple):
    """A drawing and the sentence below it.

    Attributes:
        svg: an element, as `svg.to_svg` makes it.
        caption: what it shows.
    """

    svg: str
    caption: str = ""


class Plots(NamedTuple):
    """Drawings side by side, where there is room."""

    plots: Sequence[Plot]


class Picture(NamedTuple):
    """A JPEG file's bytes and what is to be said of it."""

    jpeg: bytes
    caption: str


class Gallery(NamedTuple):
    """Small pictures side by side."""

    pictures: Sequence[Picture]


class Commands(NamedTuple):
    """Lines to be typed."""

    lines: Sequence[str]


class Panel(NamedTuple):
    """One of `Panels`.

    Attributes:
        label: what is clicked, a few letters.
        shade: of the label, 0 to 1; nan for none.
        blocks: what is then shown.
    """

    label: str
    shade: float
    blocks: Sequence["Block"]


class Panels(NamedTuple):
    """A row of labels to click through, or to step through with the arrow keys.

    Attributes:
        panels: of which one at a time is shown; in print too.
        chosen: which one is shown first.
    """

    panels: Sequence[Panel]
    chosen: int = 0


Block = Heading | Text | Table | Plots | Gallery | Commands | Panels
