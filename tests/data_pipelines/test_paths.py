import pathlib

import pytest

from data_pipelines.errors import UserError
from data_pipelines.paths import local_path


@pytest.mark.parametrize("text", ["clips", "/a/b.c", "../x", "a:b", "~/c", "gs:/a", "x/y://z"])
def test_local_paths_pass(text):
    assert local_path(text) == pathlib.Path(text)


@pytest.mark.parametrize("text", ["gs://bucket/clips", "s3://b", "memory://x", "file:///tmp/x"])
def test_a_url_is_refused(text):
    with pytest.raises(UserError, match=rf"{text} is not a local path: mount the bucket"):
        local_path(text)
