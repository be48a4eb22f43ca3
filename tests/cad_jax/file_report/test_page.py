"""The page of a file, on texts that are hostile and windows of every kind."""

import dataclasses
import math
import re

import numpy as np
import pytest
import simplejpeg

from cad_jax.file_report.evidence import MELS, Evidence, Moment, SeenFrame
from cad_jax.file_report.page import ABSENT_PROVES_NOTHING, write_page
from cad_jax.verdicts.schema import (
    FaceVerdict,
    FileVerdict,
    ModalityVerdict,
    ModelFacts,
    Reason,
    TimeRange,
)
from data_pipelines.media.provenance import Provenance

NASTY = "<script>alert('x')</script>&\udce9"
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;"
REASON = Reason("odd", NASTY)


def moment(start, face, p=0.4, sound=True):
    rng = np.random.default_rng(round(start * 10))
    jpeg = simplejpeg.encode_jpeg(rng.integers(0, 255, (32, 32, 3), np.uint8), quality=50)
    frames = tuple(SeenFrame(start + k / 5, jpeg, p) for k in range(3)) if face is not None else ()
    scores = {
        "p_fake": p,
        "p_video": math.nan if face is None else p,
        "p_audio": p / 2 if sound else math.nan,
        "p_mismatch": math.nan,
    }
    return Moment(
        start,
        start + 1.6,
        face,
        scores,
        0.7,
        frames,
        rng.random(31) if sound and face is not None else np.zeros(0),
        start + np.arange(8) / 5 if sound else np.zeros(0),
        rng.random(8) if sound else np.zeros(0),
        rng.integers(0, 255, (MELS, 40 if sound else 0)).astype(np.uint8),
    )


@pytest.fixture
def verdict():
    return FileVerdict(
        file=f"/clips/{NASTY}.mp4",
        verdict="manipulated",
        score=0.97,
        reasons=(REASON,),
        modalities={"video": ModalityVerdict("manipulated", 0.97, (REASON,))},
        faces=(FaceVerdict(0, 0.0, 4.0, 88, 0.75, "manipulated", 0.97, (REASON,)),),
        ranges=(TimeRange(0.8, 2.4, 0.97, "video"),),
        sync_offset_ms=80.0,
        duration_s=4.0,
        sha256="ab" * 32,
        model=ModelFacts("tiny", "cd" * 32),
        warnings=("Trained on drawn faces.",),
    )


PROVENANCE = Provenance(
    (("format", NASTY),),
    ((("stream", "0"), ("codec", NASTY)),),
    (("file: title", NASTY),),
    (),
    False,
)


def test_everything_is_said_and_nothing_of_the_file_is_markup(verdict, tmp_path):
    moments = [moment(0.0, 0), moment(0.8, 0, 0.97), moment(1.6, 0), moment(2.4, None)]
    path = tmp_path / "report.html"
    write_page(verdict, Evidence(moments, PROVENANCE), f"cad-predict '{NASTY}'", path)
    page = path.read_text()
    assert "<script" not in page
    # Headline, reason of file, picture and face, three claims, command.
    assert page.count(ESCAPED) == 8
    for text in (
        "<h1>Manipulated</h1>", "Trained on drawn faces.", "0:00.8 to 0:02.4", "80 ms late",
        "ab" * 32, "cd" * 32, "Face 0: Manipulated", "speaking 75% of the time",
        "Not looked for: the extra cad-jax[c2pa]", ABSENT_PROVES_NOTHING,
    ):  # fmt: skip
        assert text in page
    checked = re.findall(r"<input type='radio' name='[^']+' id='[^']+'( checked)?>", page)
    assert checked == ["", " checked", ""]  # the most suspicious window is open
    assert page.count("<svg") == 3
    rows = re.findall(r"<td>([^<]*)</td><td class='number'>(\d+)</td><td>([\d.]+)</td>", page)
    assert rows == [
        ("picture: faces, crop by crop", "3", "3.2"),
        ("sound", "4", "4.0"),
        ("lips against sound", "3", "3.2"),
        ("beyond what the detector knows", "0", "0.0"),
    ]


@pytest.mark.parametrize(
    ("moments", "drawings"),
    [
        ([], 0),
        ([moment(0.0, 0, sound=False)], 1),
        ([moment(0.0, None), moment(1.6, None)], 2),
        ([moment(0.0, 0), moment(0.0, 1)], 3),
    ],
)
def test_what_is_missing_is_left_out(verdict, tmp_path, moments, drawings):
    bare = dataclasses.replace(
        verdict, verdict="cannot_tell", score=None, modalities={}, faces=(), ranges=(),
        sync_offset_ms=None, duration_s=None, sha256=None,
    )  # fmt: skip
    path = tmp_path / "report.html"
    write_page(bare, Evidence(moments, None), "cad-predict clip", path)
    page = path.read_text()
    assert page.count("<svg") == drawings
    assert "It cannot be told" in page
    assert "The file says nothing that could be read." in page


def test_windows_that_the_detector_does_not_know_are_no_evidence(verdict, tmp_path):
    strange = dataclasses.replace(moment(0.8, 0, 0.99), distance=1.2)
    path = tmp_path / "report.html"
    write_page(verdict, Evidence([moment(0.0, 0), strange], None), "cad-predict clip", path)
    page = path.read_text()
    assert "1 of 2 windows are unlike everything that the detector knows" in page
    assert re.findall(r"<label for='[^']*'( style='[^']*')?>", page) == [
        " style='--shade:40%'", "",
    ]  # fmt: skip
    assert re.findall(r"<input type='radio'[^>]*?( checked)?>", page) == [" checked", ""]
