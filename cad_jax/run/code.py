"""The program by content."""

import functools
import hashlib
import pathlib


@functools.cache
def code_hash(*folders: str) -> str:
    """Hash of the sources in some folders, of both packages by default, by relative path."""
    digest = hashlib.sha256()
    root = pathlib.Path(__file__).parents[2]
    for folder in folders or ("cad_jax", "data_pipelines"):
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
