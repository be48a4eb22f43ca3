"""The one kind of error a user sees as a line instead of a traceback, and how such lines speak."""

import difflib
import unicodedata
from collections.abc import Iterable


class UserError(Exception):
    """The input is wrong, not the program: says what, where, and what to do, in one line."""


def visible(text: str) -> str:
    """The text with control characters as escapes: a file's name may hold some for the terminal."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c) == "Cc" else c for c in text)


def one_line(said: object) -> str:
    """An error or a text without its line breaks and indents."""
    return " ".join(str(said).split())


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a mistyped name: `did you mean 'x'?`, or the known names where none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
