"""High dynamic range is shown as the ordinary picture that it was made from."""

import fractions

import av
import numpy as np
import pytest
from av.video.reformatter import ColorTrc

from data_pipelines.lab.media_writer import as_hdr
from data_pipelines.media.decode import read_video
from data_pipelines.media.settings import MediaLimits
from data_pipelines.media.tone import sdr_signal

PQ, HLG = ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67


def write_hdr(path, image, curve):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = int(curve), 9, 9
        signal = np.round(as_hdr(image, curve) * 65535).astype(np.uint16)
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
            frame.colorspace, frame.color_trc, frame.color_primaries = 9, int(curve), 9
            frame.pts, frame.time_base = None, fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("curve", [PQ, HLG])
def test_a_picture_comes_back_from_hdr(tmp_path, draw_face, curve):
    image = draw_face().astype(float) / 255 * 0.85
    facts = {}
    frames = list(read_video(write_hdr(tmp_path / "a.mp4", image, curve), MediaLimits(), facts))
    shown = frames[0].image / 255
    assert np.abs(shown - image).mean() < 0.02
    assert shown.std() == pytest.approx(image.std(), rel=0.03)
    assert facts["transfer"] == curve.name.lower()


def test_an_ordinary_picture_is_not_mapped(tmp_path, write_media, grey):
    facts = {}
    path = write_media(tmp_path / "a.mp4", [grey(200)] * 3)
    assert next(read_video(path, MediaLimits(), facts)).image.mean() == pytest.approx(200, abs=2)
    assert facts["transfer"] == "unspecified"


def test_reference_white_is_white_in_both_curves():
    white = {PQ: 0.5807, HLG: 0.75}  # BT.2408, table 1
    for curve, signal in white.items():
        assert sdr_signal(np.full(3, signal), curve) == pytest.approx(np.full(3, 0.963), abs=0.005)


def test_brighter_is_never_darker():
    for curve in (PQ, HLG):
        signal = sdr_signal(np.linspace(0, 1, 500)[:, None].repeat(3, 1), curve)
        assert (np.diff(signal, axis=0) >= 0).all()
        assert signal.min() == pytest.approx(0, abs=1e-3)
        assert 0.98 < signal.max() <= 1
