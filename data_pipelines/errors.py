"""The one kind of error a user sees as a line instead of a traceback, and the nearest-name hint."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The input is wrong, not the program: says what, where, and what to do, in one line."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a mistyped name: `did you mean 'x'?`, or the known names where none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
