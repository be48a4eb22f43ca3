import numpy as np
import pytest

from cad_jax.evaluation.figures import evaluate_table
from cad_jax.evaluation.score_table import ScoreTable
from cad_jax.evaluation.summary import MOST_KINDS, render


@pytest.fixture
def report(table):
    return evaluate_table(table, threshold=0.5, draws=200)


def lines_of(report, start):
    return [line for line in render(report).splitlines() if line.startswith(start)]


def test_the_columns_line_up(report):
    text = render(report)
    first, reason, header, *rows = text.splitlines()
    assert "8 of 9 scored, 1 without a label" in first
    assert reason == "  not scored: 1 x no face"
    assert header.split()[-4:] == ["p_fake", "p_video", "p_audio", "p_mismatch"]
    column = header.index("p_fake")
    for row in rows[: 1 + 4 + 5 + 2]:
        assert row[column - 1] == " "
        assert row[column] in "01-"
    assert rows[0].split()[:4] == ["all", "5", "3", "0.73"]
    assert max(map(len, text.splitlines())) < 130
    assert "nan" not in text


def test_the_operating_point_stands_with_its_intervals(report):
    text = render(report)
    fused = report["overall"]["p_fake"]
    lines = text.splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith("p_fake: accuracy"))
    pair = lines[first : first + 2]
    low, high = fused["average_precision_interval"]
    value = fused["average_precision"]
    assert f"AP {value:.2f} ({low:.2f}-{high:.2f})" in pair[1]
    assert sum(line.count("-0.") + line.count("-1.") for line in pair) == 7  # ends of intervals
    assert max(map(len, pair)) <= 120


def test_a_head_that_has_nothing_to_find_stays_empty(report):
    (row,) = lines_of(report, "a: none / tts")
    header = render(report).splitlines()[2]
    assert row[header.index("p_video") : header.index("p_audio")].isspace()
    assert row[header.index("p_audio") :].startswith("1.00 (")
    (alone,) = lines_of(report, "b: swap / -")
    assert "(-)" in alone  # one identity is no cluster to resample


def test_sync_names_its_chance_only_where_something_is_known(report, table):
    in_sync, delayed = lines_of(report, "sync:")
    assert "1.00 (-) of 2 in sync, chance 0.10" in in_sync  # 3 of 31 offsets
    assert "1.00 (-) of 1 delayed, chance 0.10" in delayed
    only_b = table.select(table.dataset == "b")
    assert lines_of(evaluate_table(only_b, threshold=0.5, draws=20), "sync:") == []


def test_clips_of_one_original_are_compared_with_each_other_only(report, table):
    # Of a/1: one.mp4 (.1, .3) against two.mp4 (.9) and four.mp4 (.8); of b/1: .7 against .4.
    (line,) = lines_of(report, "p_fake among")
    assert line.endswith("AUC 0.80 of 5 comparisons")
    assert report["within_originals"] == {"auc": 0.8, "comparisons": 5}
    unpaired = table.select(table.pair_id == "2")
    assert lines_of(evaluate_table(unpaired, threshold=0.5, draws=20), "p_fake among") == []


def test_many_kinds_stay_on_one_screen():
    count = MOST_KINDS + 7
    labels = np.repeat([0, 1], count).astype(np.int32)
    unknown = np.full(2 * count, np.nan)
    methods = np.array(["none"] * count + [f"method{i:02d}" for i in range(count)])
    names = np.array([f"set/{i}#0" for i in range(2 * count)])
    table = ScoreTable(
        clip_id=names, dataset=np.full(2 * count, "set"), split=np.full(2 * count, "test"),
        pair_id=np.full(2 * count, ""), cluster=names, method_video=methods,
        method_audio=np.full(2 * count, "none"),
        label=labels, label_video=labels, label_audio=0 * labels, label_sync=0 * labels - 1,
        p_fake=np.linspace(0, 1, 2 * count), p_video=unknown, p_audio=unknown, p_mismatch=unknown,
        best_offset_ms=unknown, sync_delay_ms=unknown, reason=np.full(2 * count, ""),
    )  # fmt: skip
    text = render(evaluate_table(table, threshold=0.5, draws=5))
    assert "... and 7 kinds more" in text
    assert text.count("method") == MOST_KINDS


def test_nothing_at_all_is_still_a_report(table):
    empty = evaluate_table(table.select(np.zeros(len(table), bool)), threshold=float("nan"))
    text = render(empty)
    assert "0 of 0 scored" in text
    assert "threshold of p_fake -" in text
    assert "nan" not in text
