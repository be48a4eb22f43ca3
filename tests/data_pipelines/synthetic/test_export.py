"""Exported files decode to what the records were cut from, and read like any data set."""

import av
import cv2
import numpy as np
import pytest

from data_pipelines.benchmarks.folder import clips as folder_clips
from data_pipelines.synthetic.capture import compress
from data_pipelines.synthetic.export import export_clips
from data_pipelines.synthetic.generate import shoot, synthetic_clip
from data_pipelines.synthetic.performance import perform
from data_pipelines.synthetic.plan import plan_clip

CLIPS = (0, 1, 2, 3, 20)


@pytest.fixture(scope="module")
def folder(preset, tmp_path_factory):
    return export_clips(tmp_path_factory.mktemp("exported"), preset, 0, CLIPS)


def decoded_frames(path):
    with av.open(path) as container:
        planes = [frame.to_ndarray() for frame in container.decode(video=0)]
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) for frame in planes])


def test_the_folder_reads_like_any_data_set(folder, preset):
    for source, index in zip(folder_clips(folder), CLIPS, strict=True):
        record = synthetic_clip(0, index, preset)
        assert source.path.exists()
        assert (source.label_video, source.label_audio, source.label_sync) == (
            record.label_video, record.label_audio, record.label_sync
        )  # fmt: skip
        assert source.source_ids == record.source_ids
        assert source.pair_id == record.pair_id
        assert source.method_video == record.method_video
        assert source.expects_video == record.has_video
        assert source.expects_audio == record.has_audio


def test_files_decode_to_the_footage_that_the_records_show(folder, preset):
    codecs = set()
    for index in CLIPS:
        plan = plan_clip(preset, 0, index)
        footage = compress(shoot(0, preset, plan, perform(preset, 0, plan)))
        decoded = decoded_frames(folder / f"{index:06d}.mp4")
        codecs.add(footage.codec.coded)
        if footage.codec.coded:
            np.testing.assert_array_equal(decoded, footage.frames)
        else:  # H.264 keeps half of the colour's resolution
            assert np.abs(decoded.astype(int) - footage.frames).mean() < 4
    assert codecs == {True, False}
