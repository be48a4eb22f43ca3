import pytest

from data_pipelines.benchmarks import folder
from data_pipelines.benchmarks.registry import find_reader
from data_pipelines.errors import UserError


def test_readers_are_found_by_name():
    assert find_reader("folder") is folder.clips


def test_a_mistyped_reader_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="no reader called 'foldr'; did you mean 'folder'"):
        find_reader("foldr")
