"""Interlaced pictures become whole, progressive ones pass untouched."""

import fractions

import av
import numpy as np
import pytest

from data_pipelines.media.decode import read_video
from data_pipelines.media.settings import MediaLimits

SIZE = 96, 128
SPEED = 4  # pixels between two fields: combs are as wide


def moving_bar(field):
    """A bright bar on a slope of grey, as it is seen at one fiftieth of a second."""
    image = np.tile(np.linspace(30, 90, SIZE[1]), (SIZE[0], 1))
    image[:, 10 + SPEED * field : 30 + SPEED * field] = 220
    return np.repeat(image[..., None], 3, axis=2).astype(np.uint8)


def write_interlaced(path, count, codec="mpeg2video", interlaced=True):
    """Frames of two fields each, the upper lines first."""
    with av.open(str(path), "w") as container:
        flags = {"flags": "+ildct+ilme", "field_order": "tt"} if interlaced else {}
        stream = container.add_stream(codec, rate=25, options={**flags, "b": "8000000"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=SIZE[1], height=SIZE[0], format="yuv420p", time_base=fractions.Fraction(1, 25)
        )
        field = graph.add("setfield", "tff" if interlaced else "prog")
        sink = graph.add("buffersink")
        source.link_to(field)
        field.link_to(sink)
        graph.configure()
        for number in range(count):
            woven = moving_bar(2 * number)
            if interlaced:
                woven[1::2] = moving_bar(2 * number + 1)[1::2]
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, fractions.Fraction(1, 25)
            graph.vpush(frame)
            marked = graph.vpull()
            marked.pts, marked.time_base = number, fractions.Fraction(1, 25)
            container.mux(stream.encode(marked))
        container.mux(stream.encode(None))
    return path


def combs(image):
    """How much every other line differs from its neighbours."""
    grey = image.astype(float).mean(axis=2)
    return np.abs(grey[2:] - 2 * grey[1:-1] + grey[:-2]).mean()


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_interlaced_frames_become_whole_pictures_of_their_first_field(tmp_path, codec):
    path = write_interlaced(tmp_path / "a.mkv", 10, codec)
    facts = {}
    frames = list(read_video(path, MediaLimits(), facts))
    assert facts["scan"] == "interlaced"
    assert len(frames) == 10
    with av.open(str(path)) as container:
        woven = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert min(combs(image) for image in woven) > 8
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(10) / 25, atol=0.001)
    for number, frame in enumerate(frames[1:-1], start=1):
        assert combs(frame.image) < 3
        assert np.abs(frame.image.astype(int) - moving_bar(2 * number)).mean() < 6


def test_progressive_frames_stay_as_they_are(tmp_path):
    path = write_interlaced(tmp_path / "a.mkv", 10, interlaced=False)
    facts = {}
    frames = list(read_video(path, MediaLimits(), facts))
    assert facts["scan"] == "progressive"
    with av.open(str(path)) as container:
        for shown, frame in zip(frames, container.decode(video=0), strict=True):
            np.testing.assert_array_equal(shown.image, frame.to_ndarray(format="rgb24"))
