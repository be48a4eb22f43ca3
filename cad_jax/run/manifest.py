"""What a saved folder holds, by content: hashes kept in it when it is saved, checked at load.

Owns the manifest of a checkpoint and what is wrong with a folder that does not match its own.
Knows nothing of what the files mean.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator

from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.content import file_sha256

MANIFEST_FILE = "manifest.json"

# Orbax writes this file again after the folder is hashed, to add the time. Nothing reads the time.
_STEP_METADATA, _ADDED_LATER = "_CHECKPOINT_METADATA", "commit_timestamp_nsecs"


class DamageError(Exception):
    """A folder is not what was saved: names the file and what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A folder by content.

    Attributes:
        auc: validation AUC at this step; None where it was not evaluated.
        files: sha256 of each file, by its path inside the folder.
    """

    auc: float | None
    files: dict[str, str]

    def to_bytes(self) -> bytes:
        """As a file, with a hash of its own: a flipped bit of `auc` would go unseen without it."""
        content = dataclasses.asdict(self)
        own = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return (json.dumps(content | {"sha256": own}, indent=2, sort_keys=True) + "\n").encode()


def write_manifest(folder: pathlib.Path, auc: float | None) -> None:
    """Hashes all files of a folder and keeps the hashes in it.

    Raises:
        OSError: a file cannot be read, or the manifest cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(auc, {path.relative_to(folder).as_posix(): _hash(path) for path in files})
    with atomic_writer(folder / MANIFEST_FILE) as write:
        write(manifest.to_bytes())


def read_manifest(folder: pathlib.Path) -> Manifest:
    """What a folder was saved with.

    Raises:
        DamageError: the manifest is missing, unreadable or not as it was written.
    """
    path = folder / MANIFEST_FILE
    try:
        with _reading(path):
            data = path.read_bytes()
        content = json.loads(data)
        manifest = Manifest(content["auc"], content["files"])
        whole = data == manifest.to_bytes()
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise DamageError(f"{path} is damaged")
    return manifest


def check_manifest(folder: pathlib.Path) -> None:
    """Compares every file of a folder with what was saved.

    Raises:
        DamageError: a file is missing, unreadable or changed.
    """
    for name, expected in read_manifest(folder).files.items():
        path = folder / name
        with _reading(path):
            found = _hash(path)
        if found != expected:
            raise DamageError(f"{path} is damaged: its content is not what was saved")


def _hash(path: pathlib.Path) -> str:
    if path.name == _STEP_METADATA:
        return _hash_step_metadata(path.read_bytes())
    return file_sha256(path)


def _hash_step_metadata(data: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):  # damaged: then every byte counts
        content = {k: v for k, v in json.loads(data).items() if k != _ADDED_LATER}
        data = json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DamageError(f"{path} is missing") from None
    except OSError as error:
        raise DamageError(f"{path} cannot be read: {error.strerror}") from error
