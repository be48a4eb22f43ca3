import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.errors import UserError
from data_pipelines.preparation.preview import write_preview
from data_pipelines.records.clip import ClipRecord
from data_pipelines.records.metadata import shard_name, write_metadata
from data_pipelines.records.schema import encode_clip
from data_pipelines.records.tfrecord import write_shard


def record(clip_id, grey, frames=30):
    jpeg = simplejpeg.encode_jpeg(np.full((64, 64, 3), grey, np.uint8))
    return ClipRecord(
        clip_id=clip_id, dataset="d", split="train", source_ids=(), pair_id="", method_video="",
        method_audio="", frames=(jpeg,) * frames, frame_times_ms=40.0 * np.arange(frames),
        mouth_boxes=np.tile([20.0, 30, 44, 54], (frames, 1)), audio=np.zeros(0, np.int16),
        audio_offset_ms=0.0, label_video=0, label_audio=-1, label_sync=-1, provenance={},
    )  # fmt: skip


def test_one_row_a_clip_with_boxes_on_the_crops(tmp_path):
    found = [record("d/ä#0", 100), record("d/ä#4000", 30), record("d/b#0", 200, frames=1)]
    shard = tmp_path / shard_name("d", "train", 0, 1)
    summary = write_shard(shard, [encode_clip(clip) for clip in found])
    write_metadata(tmp_path, "d", {"train": [summary]})
    sheet = cv2.imread(str(write_preview(tmp_path)))
    assert sheet.shape == (2 * 112, 300 + 9 * 112, 3)
    np.testing.assert_allclose(sheet[10, 310], 100, atol=2)
    np.testing.assert_allclose(sheet[122, 310], 200, atol=2)
    left, top = 300 + round(20 * 112 / 64), round(30 * 112 / 64)
    assert sheet[top, left].tolist() == [0, 220, 0]


def test_no_set_no_sheet(tmp_path):
    with pytest.raises(UserError, match="no prepared set"):
        write_preview(tmp_path)
