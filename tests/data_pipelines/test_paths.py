import pathlib

import pytest

from data_pipelines.errors import UserError
from data_pipelines.paths import cache_folder, local_path


@pytest.mark.parametrize("text", ["clips", "/a/b.c", "../x", "a:b", "~/c", "gs:/a", "x/y://z"])
def test_local_paths_pass(text):
    assert local_path(text) == pathlib.Path(text)


@pytest.mark.parametrize("text", ["gs://bucket/clips", "s3://b", "memory://x", "file:///tmp/x"])
def test_a_url_is_refused(text):
    with pytest.raises(UserError, match=rf"{text} is not a local path: mount the bucket"):
        local_path(text)


def test_the_cache_is_the_users_or_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cad_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "cad_jax"
