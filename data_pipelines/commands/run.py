"""How every command ends: errors become one line and an exit code, never a traceback."""

import io
import sys
from collections.abc import Callable

from data_pipelines.errors import UserError, one_line, visible


def run_cli(name: str, work: Callable[[], int | None], interrupted: str = "interrupted") -> int:
    """Runs a command's work.

    Args:
        name: of the command, in front of the line.
        work: returns the exit code; None is 0.
        interrupted: what Ctrl-C says.

    Returns:
        The exit code: that of the work, 1 after a line on standard error, 130 after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot print
    try:
        return work() or 0
    except (UserError, ValueError, OSError) as error:  # ValueError: settings refuse a value
        return fail(name, one_line(error))
    except KeyboardInterrupt:
        return fail(name, interrupted, code=130)


def fail(name: str, message: str, code: int = 1) -> int:
    """Says in one line what went wrong; returns the code."""
    print(f"{name}: {visible(message)}", file=sys.stderr)
    return code
