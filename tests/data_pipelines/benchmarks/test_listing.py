import dataclasses
import pathlib

import pytest

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.benchmarks.listing import (
    check_classes,
    csv_table,
    json_content,
    known,
    once,
    text_lines,
)
from data_pipelines.errors import UserError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "list"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_and_lines_from_any_machine(file, newline, encoding):
    file.write_bytes(newline.join([" a ,b", "", "1, Grüße ", "2"]).encode(encoding))
    names, rows = csv_table(file)
    assert names == ["a", "b"]
    assert rows == [
        (f"{file}, line 3", {"a": "1", "b": "Grüße"}),
        (f"{file}, line 4", {"a": "2", "b": ""}),
    ]
    assert [line for _, line in text_lines(file)] == ["a ,b", "1, Grüße", "2"]


@pytest.mark.parametrize("read", [csv_table, text_lines, lambda path: json_content(path, list)])
def test_a_list_that_cannot_be_read_is_one_line(file, read):
    with pytest.raises(UserError, match=f"cannot read {file}: No such file"):
        read(file)
    file.write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=f"{file} is not (UTF-8 text|JSON)") as caught:
        read(file)
    assert "\n" not in str(caught.value)


def test_a_value_that_means_nothing_is_answered_with_the_nearest():
    assert known("here", "label", "REAL", {"REAL": 0}) == 0
    with pytest.raises(UserError, match="here: label is 'REEL'; did you mean 'REAL'"):
        known("here", "label", "REEL", {"REAL": 0})
    with pytest.raises(UserError, match=r"here: label is \['REAL'\]"):
        known("here", "label", ["REAL"], {"REAL": 0})


def test_clips_listed_twice_count_once():
    one, two = (ClipSource(pathlib.Path(name), name, "set") for name in "ab")
    assert once([two, one, two]) == [two, one]
    with pytest.raises(UserError, match="set: two entries for 'a' differ"):
        once([one, ClipSource(one.path, "a", "set", label_video=1)])


@pytest.mark.parametrize("separator", [",", ";"])
def test_what_a_spreadsheet_says_of_its_separator_is_heard(file, separator):
    file.write_text(f"sep={separator}\r\na{separator}b\r\n1{separator}2\r\n")
    assert csv_table(file) == (["a", "b"], [(f"{file}, line 3", {"a": "1", "b": "2"})])


def test_a_benchmark_that_lacks_a_class_is_refused():
    one, two = (ClipSource(pathlib.Path(name), name, "set") for name in "ab")
    genuine, forged = (
        dataclasses.replace(one, label_video=0),
        dataclasses.replace(two, label_video=1),
    )
    check_classes([genuine, forged])
    check_classes([one, two])  # labels that are hidden
    with pytest.raises(UserError, match="set: no genuine clip among the 2 listed"):
        check_classes([forged, one])
    with pytest.raises(UserError, match="set: no forged clip among the 1 listed"):
        check_classes([genuine])
