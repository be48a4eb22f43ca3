"""Both forms of a report, on blocks whose text is hostile."""

import base64
import math
import re

import pytest

from data_pipelines.documents.blocks import (
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
from data_pipelines.documents.html_page import html_page
from data_pipelines.documents.markdown import markdown_page
from data_pipelines.documents.svg import drawing, to_svg

NASTY = "<script>alert('x')</script> & | `a` $x$"


@pytest.fixture
def svg():
    with drawing(3.0, 2.0) as figure:
        figure.subplots().set_title(NASTY)
        return to_svg(figure)


@pytest.fixture
def blocks(svg):
    return [
        Heading(NASTY, 1),
        Text(NASTY),
        Text("look", "warning"),
        Table([["a", NASTY], [NASTY, 7], ["0.9 *", "b"]]),
        Plots([Plot(svg, NASTY)]),
        Gallery([Picture(b"\xff\xd8jpeg", NASTY)]),
        Commands(["python x.py --name='<b>'", "```"]),
        Panels([Panel("0:00", 0.25, [Text(NASTY)]), Panel(NASTY, math.nan, [])], chosen=1),
    ]


def test_html_escapes_all_text(blocks):
    page = html_page(NASTY, blocks)
    assert "<script" not in page
    escaped = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; | `a` $x$"
    assert page.count(escaped) == 9  # title, heading, text, two cells, two captions, panel, label
    assert f"<h1>{escaped}</h1>" in page
    assert "<p class='warning'>look</p>" in page
    assert "<td class='number'>7</td>" in page
    assert "<td class='warning'>0.9 *</td>" in page
    assert "<pre>python x.py --name=&#x27;&lt;b&gt;&#x27;\n```</pre>" in page


def test_panels_are_radio_buttons_of_which_one_is_checked(blocks):
    page = html_page("x", [*blocks, Panels([Panel("a", 1.0, [Panels([Panel("b", 0, [])])])])])
    names = re.findall(r"<input type='radio' name='([^']+)' id='([^']+)'( checked)?>", page)
    assert names == [
        ("p7", "p7-0", ""),
        ("p7", "p7-1", " checked"),
        ("p8", "p8-0", " checked"),
        ("p8-0-0", "p8-0-0-0", " checked"),
    ]
    assert "<label for='p7-0' style='--shade:25%'>0:00</label>" in page
    assert "<label for='p7-1'>" in page


def test_html_needs_nothing_besides(blocks):
    page = html_page("x", blocks)
    kept = re.search(r"<img alt='' src='data:image/jpeg;base64,([^']+)'>", page)
    assert kept
    assert base64.b64decode(kept[1]) == b"\xff\xd8jpeg"
    assert page.count("<svg") == 1
    named = set(re.findall(r"https?://[^\s\"'<>]*", page))
    assert named == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # namespaces
    for loads in ("<link", "@import", "src='http", "url(http", "xlink:href='http"):
        assert loads not in page


def test_a_drawing_is_the_same_twice(svg):
    with drawing(3.0, 2.0) as figure:
        figure.subplots().set_title(NASTY)
        assert to_svg(figure) == svg
    assert "$x$</text>" in svg


def test_markdown_escapes_all_text(blocks):
    page = markdown_page(blocks)
    escaped = r"&lt;script>alert('x')&lt;/script> &amp; \| \`a\` $x$"
    lines = page.splitlines()
    assert lines[0] == f"# {escaped}"
    assert "**look**" in lines
    start = lines.index(f"| a | {escaped} |")
    assert lines[start + 1 : start + 3] == ["|---|---|", f"| {escaped} | 7 |"]
    assert f"(Drawn in the HTML page: {escaped})" in lines
    assert "(In the HTML page: 1 pictures)" in lines
    assert "(In the HTML page: 2 panels to click through)" in lines
    assert "    ```" in lines
    assert "<script" not in page
