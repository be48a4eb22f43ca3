"""What a name, or a folder, stands for; runs: `tests/cad_jax/test_detector.py`."""

import pytest

from cad_jax.bundle.files import INFO, BundleError
from cad_jax.bundle.find import MODELS, find_bundle


def test_the_default_and_its_name_come_with_the_package():
    assert find_bundle() == find_bundle("tiny") == MODELS / "tiny"


def test_a_folder_is_itself(tmp_path):
    (tmp_path / INFO).touch()
    assert find_bundle(tmp_path) == tmp_path


def test_a_wrong_name_is_one_line_with_the_right_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="nor a run; did you mean 'tiny'"):
        find_bundle("tinny")
