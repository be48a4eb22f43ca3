"""A report as one HTML file that needs nothing besides: no script, no network, no other file.

Readable on a phone, where wide tables scroll in their own box, and in print.
"""

import base64
import html
import math
import re
from collections.abc import Iterator, Sequence

from data_pipelines.documents.blocks import (
    Block,
    Cells,
    Commands,
    Gallery,
    Heading,
    Panel,
    Panels,
    Picture,
    Plot,
    Plots,
    Table,
    Text,
)

_UNBROKEN = re.compile(r"(?<=\d) (\u00b1|to) (?=[+-]?\d)")  # within a figure or an interval
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80em; margin: 0 auto; padding: 1em 1em 4em;
  color: #222; background: #fff; overflow-wrap: break-word; }
h1 { line-height: 1.2; }
h2 { margin-top: 2em; border-bottom: 2px solid #ddd; }
p { max-width: 52em; }
.headline { font-size: 1.25em; margin: .4em 0; }
.warning { color: #b00020; font-weight: bold; }
.table { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .85em; }
td, th { padding: 3px 8px; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd;
  min-width: 6em; max-width: 26em; font-variant-numeric: tabular-nums; }
td.number { text-align: right; min-width: 0; }
.plots, .gallery { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start;
  margin: 1em 0; }
figure { margin: 0; max-width: 100%; }
figcaption { font-size: .85em; color: #555; width: 0; min-width: 100%; }
svg { max-width: 100%; height: auto; }
.gallery figure { width: 10em; }
.gallery img { width: 100%; }
.panels { display: flex; flex-wrap: wrap; margin: 1em 0; }
.panels > input { position: absolute; opacity: 0; }
.panels > label { padding: .3em .5em; margin: 0 2px 2px 0; font-size: .85em; cursor: pointer;
  font-variant-numeric: tabular-nums; border: 2px solid transparent;
  background: color-mix(in srgb, #e0564a var(--shade, 0%), #e6e6e6); }
.panels > :checked + label { border-color: #222; }
.panels > :focus-visible + label { outline: 2px solid #06c; }
.panel { display: none; order: 1; width: 100%; }
.panels > :checked + label + .panel { display: block; }
.panel .gallery figure { width: 8em; }
pre { overflow-x: auto; background: #f5f5f5; padding: .8em; font-size: .85em; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 11px; }
  .table { overflow: visible; }
  td, th { padding: 1px 4px; min-width: 0; overflow-wrap: anywhere; }
  svg { zoom: .8; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  h2, h3, h2 + p { break-after: avoid; }
  tr, figure { break-inside: avoid; }
}
"""


def html_page(title: str, blocks: Sequence[Block]) -> str:
    """The whole file.

    Args:
        title: of the window; the page itself begins with the first block.
        blocks: in their order.
    """
    head = (
        "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    )
    body = "\n".join(_elements(blocks, "p"))
    return f"<!doctype html>\n<html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n"


def _elements(blocks: Sequence[Block], name: str) -> Iterator[str]:
    """Of each block; `name` tells this row of blocks from all others of the page."""
    return (_element(block, f"{name}{number}") for number, block in enumerate(blocks))


def _element(block: Block, name: str) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Text(text, tone):
            return f"<p{f' class={tone!r}' if tone else ''}>{html.escape(text)}</p>"
        case Table(cells):
            return _table(cells)
        case Plots(plots):
            return f"<div class='plots'>{''.join(map(_plot, plots))}</div>"
        case Gallery(pictures):
            return f"<div class='gallery'>{''.join(map(_picture, pictures))}</div>"
        case Commands(lines):
            return f"<pre>{html.escape(chr(10).join(lines))}</pre>"
        case Panels(panels, chosen):
            shown = (
                _panel(panel, name, number, number == chosen) for number, panel in enumerate(panels)
            )
            return f"<div class='panels'>{''.join(shown)}</div>"


def _table(cells: Cells) -> str:
    def cell(value: str | int) -> str:
        if isinstance(value, int):
            return f"<td class='number'>{value}</td>"
        text = html.escape(_UNBROKEN.sub("\xa0\\1\xa0", value))
        return f"<td class='warning'>{text}</td>" if text.endswith("*") else f"<td>{text}</td>"

    head, *rows = cells
    top = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    # A head of its own, so that print repeats it on every sheet.
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='table'>{table}</div>"


def _plot(plot: Plot) -> str:
    return f"<figure>{plot.svg}{_caption(plot.caption)}</figure>"


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.jpeg).decode()
    image = f"<img alt='' src='data:image/jpeg;base64,{data}'>"
    return f"<figure>{image}{_caption(picture.caption)}</figure>"


def _panel(panel: Panel, name: str, number: int, chosen: bool) -> str:
    """Radio buttons need no script: the one that is checked shows what stands behind it."""
    one = f"{name}-{number}"
    checked = " checked" if chosen else ""
    shade = "" if math.isnan(panel.shade) else f" style='--shade:{panel.shade:.0%}'"
    return (
        f"<input type='radio' name='{name}' id='{one}'{checked}>"
        f"<label for='{one}'{shade}>{html.escape(panel.label)}</label>"
        f"<div class='panel'>{''.join(_elements(panel.blocks, f'{one}-'))}</div>"
    )


def _caption(text: str) -> str:
    return f"<figcaption>{html.escape(text)}</figcaption>" if text else ""
