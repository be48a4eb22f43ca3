"""The comparison on one drawn clip; what it measures on real ones is the script's to say."""

import pathlib

import av
import cv2
import numpy as np
import pytest
import simplejpeg

from data_pipelines.benchmarks.base import ClipSource
from data_pipelines.errors import UserError
from data_pipelines.lab.preparation_timing import (
    OURS,
    STAGES,
    Comparison,
    Cost,
    compare,
    frame_by_frame,
    our_detector,
)
from data_pipelines.media.settings import PrepareSettings
from data_pipelines.synthetic.drawn import drawn_clips

SETTINGS = PrepareSettings(size=96)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a drawn head with its sound."""
    (record,) = drawn_clips(1, seed=0, seconds=1.0, size=256)
    path = tmp_path_factory.mktemp("clip") / "head.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 256
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for jpeg in record.frames:
            image = simplejpeg.decode_jpeg(jpeg)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        samples = (record.audio / np.float32(2**15)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return ClipSource(path, "head.mp4", "drawn")


def fixed_box(image):
    return np.array([60.0, 60.0, 200.0, 200.0])


def test_both_ways_keep_every_frame_and_say_where_the_time_went(clip):
    nowhere = ClipSource(pathlib.Path("nowhere.mp4"), "nowhere.mp4", "drawn")
    comparison = compare([nowhere, clip], SETTINGS, {"a fixed box": fixed_box}, repeats=2)
    assert (comparison.sizes, comparison.seconds) == (["256x256"], [1.0])
    assert list(comparison.costs) == [OURS, "frame by frame, a fixed box"]
    for (cost,) in comparison.costs.values():
        assert cost.crops == 25
        assert cost.cpu_s > 0
        assert set(cost.stages) == set(STAGES)
        assert min(cost.stages.values()) > 0


def test_the_loop_writes_the_square_around_the_largest_face(clip, tmp_path):
    seen = []

    def detect(image):
        seen.append(image)
        return np.array([20.0, 40.0, 100.0, 80.0]) if len(seen) > 5 else None

    cost = frame_by_frame(detect, clip, SETTINGS, tmp_path)
    assert cost.crops == 20
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [*(f"{index:05d}.jpg" for index in range(20)), "audio.wav"]
    crop = cv2.imread(str(tmp_path / "00000.jpg"))
    assert crop.shape == (96, 96, 3)
    square = seen[5][8:112, 8:112, ::-1]  # 1.3 times the box's longer side, around its centre
    assert np.abs(cv2.resize(square, (96, 96)).astype(int) - crop).mean() < 3


def test_our_detector_gives_a_box_or_none(clip):
    with av.open(str(clip.path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    x0, y0, x1, y1 = our_detector()(image)
    assert 0 < x0 < 128 < x1 < 256
    assert 0 < y0 < 128 < y1 < 256
    assert our_detector()(np.zeros_like(image)) is None


def test_no_clip_to_measure_is_one_line(tmp_path):
    nowhere = ClipSource(tmp_path / "nowhere.mp4", "nowhere.mp4", "drawn")
    with pytest.raises(UserError, match="none of the 1 clips has a face"):
        compare([nowhere], SETTINGS, {})


def test_totals_are_of_time_and_ratios_of_each_clip():
    ours = [Cost(1.0, {"face": 3.0, "decode": 1.0}, 50), Cost(3.0, {"face": 4.0}, 100)]
    loop = [Cost(2.0, {"face": 8.0}, 50), Cost(9.0, {"crop": 2.0}, 90)]
    comparison = Comparison(["8x8", "9x9"], [2.0, 4.0], {OURS: ours, "loop": loop})
    assert comparison.real_time(OURS) == 1.5
    assert comparison.ratios("loop") == [2.0, 3.0]
    text = comparison.lines()
    assert text[0] == "2 clips, 6.0 s of media, one core, CPU time"
    assert text[2].split() == [OURS, "1.50", "12%", "88%", "0%", "0%", "150"]
    assert text[3].split() == ["loop", "0.55", "0%", "80%", "20%", "0%", "140"]
    assert text[4] == "loop, times our CPU time (median): 8x8 2.00 (1), 9x9 3.00 (1)"
