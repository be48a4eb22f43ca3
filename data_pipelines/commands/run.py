"""How every command begins and ends: its flags, and errors as one line and an exit code."""

import argparse
import io
import sys
from collections.abc import Callable

from data_pipelines.errors import UserError, one_line, visible


def command_parser(description: str | None, name: str | None = None) -> argparse.ArgumentParser:
    """A parser without flags yet, which takes no flag by a part of its name.

    Args:
        description: shown by --help line by line, as it stands: the module's docstring.
        name: of the command; None for the script's.
    """
    return argparse.ArgumentParser(
        prog=name,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_cli(
    name: str, work: Callable[[], int | None], interrupted: str = "interrupted", failed: int = 1
) -> int:
    """Runs a command's work.

    Args:
        name: of the command, in front of the line.
        work: returns the exit code; None is 0.
        interrupted: what Ctrl-C says.
        failed: the exit code where it fails.

    Returns:
        The exit code: that of the work, `failed` after a line on standard error, 130 after Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot print
    try:
        return work() or 0
    except (UserError, ValueError, OSError) as error:  # ValueError: settings refuse a value
        return fail(name, one_line(error), code=failed)
    except KeyboardInterrupt:
        return fail(name, interrupted, code=130)


def fail(name: str, message: str, code: int = 1) -> int:
    """Says in one line what went wrong; returns the code."""
    print(f"{name}: {visible(message)}", file=sys.stderr)
    return code
