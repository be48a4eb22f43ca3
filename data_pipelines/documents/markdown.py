"""A report as Markdown: text and tables; what is drawn is named, and is to be seen in HTML."""

import re
from collections.abc import Sequence

from data_pipelines.documents.blocks import (
    Block,
    Cells,
    Commands,
    Gallery,
    Heading,
    Panels,
    Plots,
    Table,
    Text,
)


def markdown_page(blocks: Sequence[Block]) -> str:
    """The whole file."""
    return "\n\n".join("\n".join(_lines(block)) for block in blocks) + "\n"


def markdown_table(cells: Cells) -> list[str]:
    """The lines of a table."""
    head, *rows = (f"| {' | '.join(_escape(str(cell)) for cell in row)} |" for row in cells)
    return [head, "|" + "---|" * len(cells[0]), *rows]


def _lines(block: Block) -> list[str]:
    match block:
        case Heading(text, level):
            return [f"{'#' * level} {_escape(text)}"]
        case Text(text, tone):
            return [f"**{_escape(text)}**" if tone else _escape(text)]
        case Table(cells):
            return markdown_table(cells)
        case Plots(plots):
            captions = "; ".join(plot.caption for plot in plots if plot.caption)
            return [f"(Drawn in the HTML page: {_escape(captions)})"]
        case Gallery(pictures):
            return [f"(In the HTML page: {len(pictures)} pictures)"]
        case Commands(lines):  # indented, not fenced: no line of them can end it
            return [f"    {line}" for line in lines]
        case Panels(panels):
            return [f"(In the HTML page: {len(panels)} panels to click through)"]


def _escape(text: str) -> str:
    """Plain text that Markdown, or HTML within it, would otherwise take for its own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", text)
