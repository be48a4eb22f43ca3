from typing import Literal

import pytest

from data_pipelines.benchmarks import folder, registry
from data_pipelines.benchmarks.registry import find_reader, reader_options
from data_pipelines.errors import UserError


def test_readers_are_found_by_name():
    assert find_reader("folder") is folder.clips


def test_a_mistyped_reader_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="no reader called 'foldr'; did you mean 'folder'"):
        find_reader("foldr")


def test_options_are_texts_or_one_of_their_values(monkeypatch):
    def clips(root, *, level: Literal["low", "high"] = "low", count: Literal[0, 1] = 0, path=""):
        return []

    clips.__annotations__["path"] = str
    monkeypatch.setitem(registry.READERS, "some", clips)
    given = ["level=high", "count=1", "path=a=b c"]
    assert reader_options("some", given) == {"level": "high", "count": 1, "path": "a=b c"}
    assert reader_options("some", []) == {}


@pytest.mark.parametrize(
    ("reader", "setting", "message"),
    [
        ("faceforensics", "compresion=c23", "no option 'compresion'; did you mean 'compression'"),
        ("faceforensics", "compression=c32", r"option 'compression' is 'c32'; did you mean 'c23'"),
        ("faceforensics", "compression=hq", "is 'hq'; known: c23, c40, raw"),
        ("faceforensics", "compression", "has no value; write compression=VALUE"),
        ("idforge", "audiomismatch_label=-1", "is '-1'; did you mean '1'"),
        ("kodf", "level=1", "reader 'kodf' has no option 'level'; it has none"),
        ("kodg", "level=1", "no reader called 'kodg'; did you mean 'kodf'"),
    ],
)
def test_a_wrong_option_is_answered_with_the_nearest(reader, setting, message):
    with pytest.raises(UserError, match=message):
        reader_options(reader, [setting])
