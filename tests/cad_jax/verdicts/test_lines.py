"""A table that people can read, whatever the file is called."""

import pytest

from cad_jax.verdicts.lines import clock, heading, lines

LOW = {"p_fake": 0.1, "p_video": 0.1, "p_mismatch": 0.1}


def test_a_row_where_and_why(judged, windows):
    row, where, why = lines(judged(windows(9, p_audio=0.98, **LOW)))
    assert row.split() == ["clip.mp4", "manipulated", "0.98", "0.10", "0.98", "0.10"]
    assert where.split() == ["0:00.0", "to", "0:10.0", "audio", "0.98"]
    assert why.strip().startswith("the sound scores 0.98 all through; 1% of genuine files")
    assert heading().index("verdict") == row.index("manipulated")


def test_what_is_missing_is_a_dash(judged, windows):
    (row,) = lines(judged(windows(9, p_video=0.1)))
    assert row.split()[2:] == ["0.10", "0.10", "-", "-"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00.0"), (59.96, "1:00.0"), (754.25, "12:34.2"), (3661.0, "1:01:01.0")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text
