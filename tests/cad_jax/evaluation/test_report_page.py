"""The page: a PNG of sensible size, every panel with something in it, whatever the table holds."""

import cv2
import numpy as np
import pytest

from cad_jax.evaluation.figures import evaluate_table
from cad_jax.evaluation.report_page import MOST_KINDS, draw_page, write_picture
from cad_jax.evaluation.score_table import ScoreTable
from cad_jax.evaluation.strips import Strip

pytestmark = pytest.mark.slow

STRIPS = [Strip(f"strip {i}", np.full((32, 160, 3), 60 * i, np.uint8)) for i in range(3)]


def page_of(table, strips=(), threshold=0.5, title="set, test"):
    return draw_page(title, table, evaluate_table(table, threshold, draws=20), strips)


def panel(page, title):
    (axes,) = (axes for axes in page.axes if axes.get_title().startswith(title))
    return axes


def texts(axes):
    legend = axes.get_legend()
    return [text.get_text() for text in (legend.get_texts() if legend else axes.texts)]


def test_a_png_is_written_whole(table, tmp_path):
    path = tmp_path / "report.png"
    write_picture(page_of(table, STRIPS), path)
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    height, width, _ = image.shape
    assert (width, height) == (1200, 1140)
    assert 20_000 < path.stat().st_size < 2_000_000
    assert list(tmp_path.iterdir()) == [path]


def test_every_panel_shows_what_it_is_for(table):
    page = page_of(table, STRIPS, title="my set, test")
    assert page.get_suptitle() == "my set, test"
    roc = panel(page, "ROC")
    assert len(roc.lines) == 1 + 1 + 5  # chance, all clips, each kind
    assert "all  0.73" in texts(roc)[0]
    assert any("b: swap / -  0.00 (-)" in text for text in texts(roc))
    kinds = panel(page, "AUC by kind")
    assert len(kinds.patches) == 4 + 2 + 2 + 2 + 2  # heads that suit each kind
    assert [label.get_text() for label in kinds.get_yticklabels()][-1] == "b: swap / -  (1)"
    scores = panel(page, "p_fake by class")
    heights = [patch.get_height() for patch in scores.patches]
    np.testing.assert_allclose(sum(heights), 2)  # two classes, each as shares of itself
    assert "threshold 0.50" in texts(scores)
    assert texts(panel(page, "Best offset")) == ["in sync (2)", "out of sync (2)"]
    shown = [axes for axes in page.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in shown] == ["strip 0", "strip 1", "strip 2"]


def nothing(columns):
    columns.update({name: values[:0] for name, values in columns.items()})


def genuine_only(columns):
    columns["label"][:] = columns["label_video"][:] = columns["label_audio"][:] = 0
    columns["label_sync"][:] = 1


def forged_only(columns):
    columns["label"][:] = 1


def unlabelled(columns):
    for name in ("label", "label_video", "label_audio", "label_sync"):
        columns[name][:] = -1


def unscored(columns):
    for name in ("p_fake", "p_video", "p_audio", "p_mismatch", "best_offset_ms"):
        columns[name][:] = np.nan
    columns["reason"] = np.full(9, "no face")


def awkward_names(columns):
    columns["method_video"] = np.array(["_a$b^{c$ {", r"\frac{1", "none", "x" * 200, *"abcde"])
    columns["label"][:4] = 1


def equal_scores(columns):
    columns["p_fake"][:8] = 1.0


@pytest.mark.parametrize(
    "change",
    [nothing, genuine_only, forged_only, unlabelled, unscored, awkward_names, equal_scores],
)
@pytest.mark.parametrize("threshold", [0.5, float("nan")])
def test_a_degenerate_table_still_gives_a_page(columns, tmp_path, change, threshold):
    change(columns)
    page = page_of(ScoreTable(**columns), (), threshold, title="a $set_{ name")
    write_picture(page, tmp_path / "report.png")
    for title in ("ROC", "AUC by kind", "p_fake by class", "Best offset"):
        axes = panel(page, title)
        assert axes.lines or axes.patches or axes.texts
    assert "no clips with a picture to show" in [text.get_text() for text in page.axes[-2].texts]


def test_only_the_most_frequent_kinds_are_drawn(columns):
    """Of `MOST_KINDS` + 4 kinds the first four have one clip, the others two."""
    kinds = [f"method{number:02d}" for number in range(MOST_KINDS + 4)]
    methods = np.array(["none"] * 5 + kinds + kinds[4:])
    n = len(methods)
    labels = (methods != "none").astype(np.int32)
    names = np.array([f"set/{number}#0" for number in range(n)])
    columns |= dict.fromkeys(("split", "dataset", "pair_id", "method_audio"), np.full(n, "none"))
    columns |= dict.fromkeys(("label", "label_video"), labels)
    columns |= dict.fromkeys(("label_audio", "label_sync"), labels * 0)
    columns |= dict.fromkeys(("best_offset_ms", "sync_delay_ms", "p_audio"), np.full(n, np.nan))
    columns |= dict.fromkeys(("p_fake", "p_video", "p_mismatch"), np.linspace(0, 1, n))
    columns |= {"clip_id": names, "cluster": names, "method_video": methods}
    page = page_of(ScoreTable(**columns | {"reason": np.full(n, "")}))
    shown = [label.get_text() for label in panel(page, "AUC by kind").get_yticklabels()]
    assert len(shown) == MOST_KINDS
    assert shown[0].startswith("method04")
