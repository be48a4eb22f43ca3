"""Files by content."""

import hashlib
import pathlib


def file_sha256(path: pathlib.Path) -> str:
    """Of a file's bytes, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
