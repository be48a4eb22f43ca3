"""Figures of corrupted clips, from tables written by hand; and that the page can be drawn."""

import re

import numpy as np
import pytest

from cad_jax.evaluation.robustness import table_name
from cad_jax.evaluation.robustness_figures import lines, render, robustness_figures
from cad_jax.evaluation.score_table import ScoreTable

PEOPLE = 12


def scores(p_fake, **changes) -> ScoreTable:
    """Two clips a person, the second one forged; every head says the same."""
    n = len(p_fake)
    texts = {name: np.full(n, "x") for name in ("dataset", "split", "pair_id")}
    label = np.arange(n, dtype=np.int32) % 2
    p_fake = np.asarray(p_fake, np.float64)
    columns = texts | {
        "clip_id": np.array([f"x/{i:02}#0" for i in range(n)]),
        "cluster": np.array([f"person {i // 2}" for i in range(n)]),
        "method_video": np.full(n, "none"),
        "method_audio": np.full(n, "none"),
        "label": label, "label_video": label, "label_audio": label, "label_sync": 1 - label,
        "p_fake": p_fake, "p_video": p_fake, "p_audio": p_fake, "p_mismatch": p_fake,
        "best_offset_ms": np.full(n, 40.0),
        "sync_delay_ms": np.full(n, np.nan),
        "reason": np.full(n, ""),
    }  # fmt: skip
    return ScoreTable(**(columns | changes))


@pytest.fixture
def figures():
    clean = np.tile([0.2, 0.8], PEOPLE)
    worse = clean.copy()
    worse[:2] = 0.9, 0.1  # one person's clips the wrong way round
    delayed = {ms: scores(np.full(2 * PEOPLE, p)) for ms, p in ((-500, 0.7), (0, 0.1), (500, 0.9))}
    tables = {"clean": scores(clean), "jpeg-1": scores(clean), "jpeg-5": scores(worse)}
    tables |= {table_name("delay", ms): table for ms, table in delayed.items()}
    return robustness_figures(tables, draws=200, seed=0)


def test_auc_and_what_is_lost_by_severity(figures):
    assert figures["clean"]["p_fake"]["auc"] == 1
    jpeg = figures["kinds"]["jpeg"]
    assert (jpeg["unit"], list(jpeg["severities"])) == ("quality", ["1", "5"])
    first, last = jpeg["severities"]["1"], jpeg["severities"]["5"]
    assert (first["value"], last["value"]) == (25, 7)
    assert first["p_fake"]["lost_interval"] == [0, 0]
    # Of 12 x 12 pairs those with this person's forged clip (0.1), or genuine one (0.9), are lost.
    assert last["p_fake"]["auc"] == pytest.approx(1 - 23 / 144)
    assert last["p_fake"]["lost"] == pytest.approx(23 / 144)
    low, high = last["p_fake"]["lost_interval"]
    assert 0 <= low < 23 / 144 < high


def test_means_by_delay_have_intervals(figures):
    assert list(figures["delay"]) == ["-500", "0", "500"]
    assert [of["p_mismatch"]["mean"] for of in figures["delay"].values()] == pytest.approx(
        [0.7, 0.1, 0.9]
    )
    assert figures["delay"]["500"]["p_mismatch"]["mean_interval"] == pytest.approx([0.9, 0.9])
    assert figures["delay"]["0"]["best_offset_ms"] == 40


def test_a_mean_is_drawn_by_people():
    table = scores(np.tile([0.2, 0.4], PEOPLE))
    found = robustness_figures({"delay+0000": table}, draws=100, seed=0)
    of = found["delay"]["0"]["p_mismatch"]
    assert of["mean"] == pytest.approx(0.3)
    assert of["mean_interval"] == pytest.approx([0.3, 0.3])  # every person is the same
    spread = np.repeat(np.linspace(0, 1, PEOPLE), 2)
    low, high = robustness_figures({"delay+0000": scores(spread)}, draws=400, seed=0)["delay"]["0"][
        "p_mismatch"
    ]["mean_interval"]
    width = 2 * 1.96 * spread.std() / PEOPLE**0.5
    assert high - low == pytest.approx(width, rel=0.2)


def test_lines_and_table_say_the_same(figures):
    found = list(lines(figures))
    (one,) = [
        line for line in found
        if (line.kind, line.severity, line.head, line.measure) == ("jpeg", "5", "p_fake", "auc")
    ]  # fmt: skip
    assert one.figure == pytest.approx(1 - 23 / 144)
    assert (one.value, one.unit) == (7, "quality")
    text = "\n".join(render(figures))
    assert re.search(r"^jpeg +5  7 quality +0\.84 \(", text, re.M)
    assert "500 ms" in text


def test_a_head_without_both_classes_has_no_figure(figures):
    table = scores(np.tile([0.2, 0.8], PEOPLE), label_audio=np.zeros(2 * PEOPLE, np.int32))
    found = robustness_figures({"clean": table, "mp3-1": table}, draws=10, seed=0)
    of = found["kinds"]["mp3"]["severities"]["1"]["p_audio"]
    assert (of["auc"], of["auc_interval"], of["lost"]) == (None, [None, None], None)


def test_the_page_has_a_panel_a_kind_and_one_of_delays(figures):
    from cad_jax.evaluation.robustness_page import draw_robustness

    page = draw_robustness("title", figures)
    jpeg, delays = page.axes
    assert jpeg.get_title() == "jpeg (quality)"
    assert [text.get_text() for text in jpeg.get_xticklabels()] == ["clean", "25", "7"]
    drawn = jpeg.lines[0].get_ydata()
    np.testing.assert_allclose(drawn, [1, 1, 1 - 23 / 144])
    np.testing.assert_allclose(delays.lines[0].get_ydata(), [0.7, 0.1, 0.9])
    assert draw_robustness("title", figures | {"kinds": {}}).axes
    assert draw_robustness("title", figures | {"delay": {}}).axes
