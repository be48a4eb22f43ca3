"""Paths are local: files are decoded, memory-mapped, locked and renamed there."""

import os
import pathlib
import re

from data_pipelines.errors import UserError


def local_path(text: str) -> pathlib.Path:
    """The path, unless it is a URL, which would quietly become a folder called `gs:`.

    Raises:
        UserError: `text` names a scheme such as gs:// or s3://; says what to do instead.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise UserError(
            f"{text} is not a local path: mount the bucket (gcsfuse, mountpoint-s3) and name the "
            "mounted folder, or copy the files"
        )
    return pathlib.Path(text)


def cache_folder() -> pathlib.Path:
    """What is made for this user and can be made again: `$XDG_CACHE_HOME` or `~/.cache`."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return cache / "cad_jax"
