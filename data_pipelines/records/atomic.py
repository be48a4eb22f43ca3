"""Files and folders that appear whole or not at all.

Owns the write-to-a-temporary-name-then-rename pattern. Knows nothing of what is written.
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Yields a `write(data)` whose output becomes `path` when the block ends without an exception.

    Until then the data lies beside it as `.{name}.partial`, which is removed when the block fails
    and overwritten by the next attempt when the process was killed.

    Args:
        path: the file to make or replace; its folder must exist.

    Raises:
        OSError: the file cannot be written (disk full, read-only, no such folder); names `path`.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    with _naming(path):
        file = partial.open("wb")

    def write(data: bytes | memoryview) -> None:
        with _naming(path):
            file.write(data)

    try:
        yield write
        with _naming(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            partial.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        # Closing flushes, which fails again on a full disk; the first error is the one to show.
        with contextlib.suppress(OSError):
            file.close()
        partial.unlink(missing_ok=True)
        raise


def write_shared(data: bytes | memoryview, path: pathlib.Path) -> None:
    """Writes a file that several processes may write at once: each to a name of its own.

    Raises:
        OSError: as `atomic_writer`.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with atomic_writer(draft) as write:
        write(data)
    draft.replace(path)


@contextlib.contextmanager
def atomic_path(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """As `atomic_writer`, for a library that writes files itself: yields the name to write to.

    Raises:
        OSError: the file cannot be put in its place.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with _naming(path):
            partial.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields an empty folder to fill, which becomes `folder` when the block ends without an error.

    Args:
        folder: to be made, its parents too; it may be there if it is empty.

    Raises:
        OSError: it cannot be written, or it holds something.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.absolute().with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        os.replace(partial, folder)  # noqa: PTH105  # onto an empty folder too
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_json(value: Any, path: str | os.PathLike[str]) -> None:
    """Writes a JSON-ready value, indented, whole or not at all.

    Raises:
        OSError: the file cannot be written.
        ValueError: a number in it is not finite.
    """
    with atomic_writer(path) as write:
        write((json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """Turns an anonymous `No space left on device` into one that names the file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def _sync_folder(folder: pathlib.Path) -> None:
    """Makes a rename durable: the new name lives in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
