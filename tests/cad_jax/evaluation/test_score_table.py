import csv

import numpy as np
import pytest

from cad_jax.evaluation.score_table import COLUMNS, ScoreTable, read_scores, to_videos, write_scores
from data_pipelines.errors import UserError


def cells_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def test_csv_has_the_columns_in_their_order(table, tmp_path):
    path = tmp_path / "scores.csv"
    write_scores(table, path)
    cells = cells_of(path)
    assert tuple(cells) == COLUMNS
    assert cells["clip_id"] == table.clip_id.tolist()
    assert cells["label"] == ["0", "0", "1", "1", "1", "1", "0", "1", "-1"]
    assert cells["p_audio"] == ["0.1", "0.2", "0.3", "0.9", "0.8", "0.2", "", "", ""]
    assert list(tmp_path.iterdir()) == [path]


def test_csv_keeps_every_bit_and_awkward_names(columns, tmp_path):
    columns["p_fake"][:8] = np.random.default_rng(0).random(8)
    columns["clip_id"] = np.array(['a/comma, "quote"\nänd line.mp4#0', *columns["clip_id"][1:]])
    columns["method_video"] = np.where(columns["method_video"] == "swap", 'x, "y"\nz', "none")
    write_scores(ScoreTable(**columns), tmp_path / "scores.csv")
    cells = cells_of(tmp_path / "scores.csv")
    assert cells["clip_id"] == columns["clip_id"].tolist()
    assert cells["method_video"] == columns["method_video"].tolist()
    assert [float(cell or "nan") for cell in cells["p_fake"][:8]] == columns["p_fake"][:8].tolist()


def test_what_was_written_is_read_to_the_bit(columns, tmp_path):
    columns["p_fake"][:8] = np.random.default_rng(0).random(8)
    table = ScoreTable(**columns)
    for rows in (np.ones(len(table), bool), np.zeros(len(table), bool)):
        write_scores(table.select(rows), tmp_path / "scores.csv")
        found = read_scores(tmp_path / "scores.csv")
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(found, name), getattr(table, name)[rows], name)


@pytest.mark.parametrize(
    ("text", "why"),
    [("clip_id,label\na,1\n", "its columns are not"), ("", "cannot read"), (None, "No such file")],
)
def test_what_is_no_score_table_is_refused(text, why, tmp_path):
    if text is not None:
        (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(UserError, match=why):
        read_scores(tmp_path / "scores.csv")


def test_an_empty_table_is_a_table(table, tmp_path):
    empty = table.select(np.zeros(len(table), bool))
    write_scores(empty, tmp_path / "scores.csv")
    assert set(map(len, cells_of(tmp_path / "scores.csv").values())) == {0}
    assert len(to_videos(empty)) == 0


def test_select_takes_masks_and_orders(table):
    assert table.select(table.label == -1).clip_id.tolist() == ["b/eight.mp4#0"]
    assert table.select(np.array([3, 0])).cluster.tolist() == ["cid", "ann"]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("clip_id", "a/two.mp4#0", "'a/two.mp4#0' is scored more than once"),
        ("label_sync", 2, "'a/one.mp4#0': label_sync=2 is not 1, 0 or -1"),
        ("p_audio", 1.5, "'a/one.mp4#0': p_audio=1.5 is no probability"),
        ("p_video", np.inf, "p_video=inf is no probability"),
        ("p_fake", np.nan, "must say why p_fake is missing"),
        ("reason", "no face", "must say why p_fake is missing, and only then"),
    ],
)
def test_wrong_values_name_clip_and_column(columns, column, value, message):
    columns[column] = columns[column].copy()
    columns[column][0] = value
    with pytest.raises(ValueError, match=message):
        ScoreTable(**columns)


def test_videos_average_their_clips(table):
    videos = to_videos(table)
    assert videos.clip_id.tolist() == sorted({c.rsplit("#")[0] for c in table.clip_id.tolist()})
    one = videos.select(videos.clip_id == "a/one.mp4")
    np.testing.assert_allclose(one.p_fake, 0.2)
    np.testing.assert_allclose(one.best_offset_ms, 20.0)
    assert one.sync_delay_ms[0] == 0
    eight = videos.select(videos.clip_id == "b/eight.mp4")
    assert np.isnan(eight.p_fake[0])
    assert eight.reason[0] == "no face"


def test_a_video_has_a_delay_where_its_clips_agree(columns):
    columns["sync_delay_ms"][1] = 80.0
    videos = to_videos(ScoreTable(**columns))
    delays = dict(zip(videos.clip_id.tolist(), videos.sync_delay_ms.tolist(), strict=True))
    assert np.isnan(delays["a/one.mp4"])
    assert delays["a/four.mp4"] == 320.0


def test_a_partly_forged_partly_scored_video(columns):
    """Clip 0 genuine and in sync, clip 1 forged, out of sync and without a face."""
    columns["label"][1] = columns["label_video"][1] = 1
    columns["label_sync"][1], columns["label_audio"][1] = 0, -1
    columns["method_video"][1] = "swap"
    columns["p_fake"][1], columns["reason"][1] = np.nan, "no face"
    videos = to_videos(ScoreTable(**columns))
    one = videos.select(videos.clip_id == "a/one.mp4")
    got = [getattr(one, name)[0] for name in ("label", "label_video", "label_audio", "label_sync")]
    assert got == [1, 1, -1, 0]
    assert (one.method_video[0], one.method_audio[0], one.reason[0]) == ("swap", "none", "")
    assert one.p_fake[0] == 0.1


def test_a_video_in_two_splits_is_refused(columns):
    columns["split"] = columns["split"].astype("<U5")
    columns["split"][1] = "train"
    with pytest.raises(ValueError, match=r"disagree: \['test', 'train'\]"):
        to_videos(ScoreTable(**columns))
