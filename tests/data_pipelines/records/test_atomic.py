"""A file is there whole, or as it was before."""

import errno
import os

import pytest

from data_pipelines.records.atomic import atomic_writer
from data_pipelines.records.tfrecord import write_shard


def test_replaces_the_file_at_the_end_only(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_writer(path) as write:
        write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_failing_block_leaves_nothing_behind(tmp_path):
    def fail() -> None:
        with atomic_writer(tmp_path / "file") as write:
            write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / ".file.partial").write_bytes(b"left by a killed process")
    with atomic_writer(tmp_path / "file") as write:
        write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_full_disk_names_the_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "file"
    with pytest.raises(OSError, match=f"cannot write {path}: No space left") as caught:
        write_shard(path, [b"data"])
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_names_the_file(tmp_path):
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError, match=f"cannot write {path}"), atomic_writer(path):
        pass
